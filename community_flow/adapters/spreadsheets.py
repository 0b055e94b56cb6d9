"""CSV and XLSX files as offices save them, read into rows of text."""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from datetime import date, datetime, time
from typing import Any

from community_flow.domain.errors import Invalid

LARGEST_BYTES = 16 * 1024 * 1024
LARGEST_UNPACKED = 256 * 1024 * 1024
MOST_COLUMNS = 60
EXACT = 1e15
"""From here on a spreadsheet's numbers have lost digits."""

EMPTY = "The file is empty: fill in the template and send it again."
TOO_LARGE = "The file has over 16 MB: send the people of a few buildings at a time, without pictures."
OLD_EXCEL = "This is an old Excel file (.xls): save it as .xlsx or CSV and send that."
NOT_A_TABLE = "This is not a table that can be read: save it as .xlsx or CSV and send that."
BAD_ENCODING = (
    "The letters of this file cannot be read: save it as “CSV UTF-8” (or GB18030 or UTF-16) or as .xlsx and send that."
)

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_GB2312_ROWS = range(0xA1, 0xF8)
_LEAST_SHARE = 0.7


def read_sheet(data: bytes) -> list[list[str]]:
    """Rows of text of a file's first table; raises Invalid with the remedy."""
    if len(data) > LARGEST_BYTES:
        raise Invalid(TOO_LARGE, field="file")
    if data.startswith(b"PK\x03\x04"):
        rows = _xlsx(data)
    elif data.startswith(b"\xd0\xcf\x11\xe0"):
        raise Invalid(OLD_EXCEL, field="file")
    else:
        rows = _csv(decode(data))
    rows = [[cell.strip() for cell in row[:MOST_COLUMNS]] for row in rows]
    if not any(any(row) for row in rows):
        raise Invalid(EMPTY, field="file")
    return rows


def decode(data: bytes) -> str:
    """Text of UTF-8 (with or without a mark), UTF-16 or GB18030; raises Invalid for anything else."""
    if not data.strip(b"\0 \r\n\t"):
        raise Invalid(EMPTY, field="file")
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return _strict(data, encoding)
    if b"\0" in data[:4000]:
        # UTF-16 without a mark: commas and line ends are ASCII, so every other byte near them is zero.
        return _strict(data, "utf-16-le" if data[1:400:2].count(0) >= data[0:400:2].count(0) else "utf-16-be")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _gb18030(data)
    return _legible(text)


def _strict(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Invalid(BAD_ENCODING, field="file") from error
    return _legible(text)


def _gb18030(data: bytes) -> str:
    """GB18030 decodes nearly anything, so ask that the characters be those that Chinese is mostly written with."""
    text = _strict(data, "gb18030")
    foreign = [letter for letter in text if ord(letter) > 127]
    common = sum(1 for letter in foreign if _in_gb2312(letter))
    if not foreign or common / len(foreign) < _LEAST_SHARE:
        raise Invalid(BAD_ENCODING, field="file")
    return text


def _in_gb2312(letter: str) -> bool:
    coded = letter.encode("gb18030")
    return len(coded) == 2 and coded[0] in _GB2312_ROWS and coded[1] >= 0xA1


def _legible(text: str) -> str:
    if re.search(r"[\x00-\x08\x0e-\x1f\ufffe\uffff]", text):
        raise Invalid(BAD_ENCODING, field="file")
    return text


def _csv(text: str) -> list[list[str]]:
    head = text[:4000].splitlines()[:10]
    delimiter = max(",\t;", key=lambda mark: sum(line.count(mark) for line in head))
    csv.field_size_limit(100_000)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=False))
    except csv.Error as error:
        raise Invalid(NOT_A_TABLE, field="file") from error
    return [[_unguarded(cell) for cell in row] for row in rows]


def _unguarded(cell: str) -> str:
    """Our own files put ' before what a spreadsheet would take for a formula."""
    return cell[1:] if re.match(r"'[=+\-@\t]", cell) else cell


def _xlsx(data: bytes) -> list[list[str]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(part.file_size for part in packed.infolist()) > LARGEST_UNPACKED:
                raise Invalid(TOO_LARGE, field="file")
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, InvalidFileException) as error:
        raise Invalid(NOT_A_TABLE, field="file") from error
    try:
        sheets = map(_rows, book.worksheets)
        return next((rows for rows in sheets if any(any(row) for row in rows)), [])
    finally:
        book.close()


def _rows(sheet: Any) -> list[list[str]]:
    """Bounded to the columns that are read: one cell in the last corner would make seventeen thousand million."""
    found = sheet.iter_rows(values_only=True, max_col=min(sheet.max_column or MOST_COLUMNS, MOST_COLUMNS))
    return [[_cell(value) for value in row] if any(value is not None for value in row) else [] for row in found]


def _cell(value: Any) -> str:
    """A cell as it was typed; a number that lost digits stays in the form that gives it away."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, int | float):
        if abs(value) >= EXACT:
            return f"{value:.10E}"
        return str(int(value)) if value == int(value) else repr(value)
    return str(value)
