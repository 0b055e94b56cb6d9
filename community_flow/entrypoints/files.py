"""Tables as files: sealed CSV, and XLSX in which every text is text."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from flask import Response

from community_flow.domain.csv import SHEET_ROWS, Cell, Export, readable, written
from community_flow.domain.errors import Invalid

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def csv_response(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """A CSV download; the row count and digest also stand in the headers."""
    return file_response(written(f"{name}.csv", header, rows), "text/csv; charset=utf-8")


def xlsx_response(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Response:
    """A workbook: the table, and a second sheet with its row count and the SHA-256 of the same table as CSV."""
    return file_response(workbook(f"{name}.xlsx", header, list(rows)), XLSX)


def file_response(export: Export, content_type: str) -> Response:
    ascii_name = "".join(letter if letter.isascii() and letter not in '"\\' else "_" for letter in export.name)
    response = Response(export.body, content_type=content_type)
    response.headers["Content-Disposition"] = (
        f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(export.name)}"
    )
    response.headers["X-Row-Count"] = str(export.rows)
    response.headers["X-Content-SHA256"] = sha256(export.body).hexdigest()
    return response


def workbook(name: str, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Export:
    """An XLSX file. Raises Invalid rather than cutting rows that a sheet cannot hold."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    if len(rows) >= SHEET_ROWS:
        raise Invalid("A sheet holds %(most)s rows: choose a shorter time, or take the CSV.", most=SHEET_ROWS - 1)
    book = Workbook(write_only=True)

    def put(sheet: Any, row: Sequence[Cell]) -> None:
        cells = []
        for value in row:
            content: Any = readable(value) if isinstance(value, str) else value
            cell = WriteOnlyCell(sheet, value=content)
            if isinstance(value, str):
                cell.data_type = "s"  # else a text that begins with = becomes a formula
            cells.append(cell)
        sheet.append(cells)

    table, about = book.create_sheet("Data"), book.create_sheet("About")
    for row in [header, *rows]:
        put(table, row)
    sealed = written(name, header, rows)
    put(about, ["rows", sealed.rows])
    put(about, ["sha256 of the same table as CSV", sealed.digest])
    out = io.BytesIO()
    book.save(out)
    return Export(name, out.getvalue(), sealed.rows, sealed.digest)
