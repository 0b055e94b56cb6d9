"""Tables that people open in a spreadsheet: safe to open, and complete or provably not.

Spreadsheets run a cell that begins like a formula, also behind spaces, tabs, quotes or invisible characters, and some
split a line at ; or tab whatever the file says, so that a formula can begin in the middle of our cell. A text cell gets
an apostrophe in front of each such beginning. The last line says how many rows there are and the SHA-256 of all lines
before it: a sheet that silently cut rows no longer matches.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from itertools import chain
from typing import TypeAlias

Cell: TypeAlias = str | int | float | date | None
BOM = "\ufeff"
SEAL = "#sha256"
SHEET_ROWS = 1_048_576
"""What the usual spreadsheets hold; the rest they drop."""

# Control, format and direction characters, private use and unpaired surrogates: nothing a person typed on purpose.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]+"
)
_STARTER = "=+\\-@|%\uff1d\uff0b\uff0d\uff20\u2212\ufe62\ufe63\ufe66\ufe6b\u207a\u207b"
_AT_START = re.compile(rf"^(['\"\s]*)([{_STARTER}])")
_AFTER_SPLIT = re.compile(rf"([;,|\"](?:['\"\s]*))([{_STARTER}])")


@dataclass(frozen=True)
class Export:
    """A finished file: ``rows`` counts data rows, ``digest`` is of everything before the last line."""

    name: str
    body: bytes
    rows: int
    digest: str


def safe(cell: Cell) -> str:
    """The text of one cell. Numbers stay numbers, also negative ones."""
    if cell is None:
        return ""
    if isinstance(cell, (int, float)):
        return str(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    text = _AFTER_SPLIT.sub(r"\1'\2", readable(cell))
    return _AT_START.sub(r"'\1\2", text)


def readable(text: str) -> str:
    """The text without characters that nobody sees."""
    return _UNSEEN.sub(" ", text)


def written(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Export:
    """A CSV file with BOM, CRLF, every text quoted, and a last line that seals it."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([safe(each) for each in header])
    count = 0
    for row in rows:
        writer.writerow([safe(each) for each in row])
        count += 1
    body = (BOM + out.getvalue()).encode()
    digest = sha256(body).hexdigest()
    return Export(name, body + _seal(count, digest), count, digest)


def streamed(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The same file in pieces, for tables that do not fit into memory."""
    seen, count = sha256(), 0
    for number, row in enumerate(chain([header], rows)):
        line = _line(row, first=number == 0)
        seen.update(line)
        count = number
        yield line
    yield _seal(count, seen.hexdigest())


def _line(row: Sequence[Cell], *, first: bool) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([safe(each) for each in row])
    return ((BOM if first else "") + out.getvalue()).encode()


def intact(body: bytes) -> bool:
    """True when the last line fits what stands before it."""
    cut = body.rstrip(b"\r\n").rfind(b"\n") + 1
    digest = sha256(body[:cut]).hexdigest()
    rows = body[:cut].count(b"\r\n") - 1
    return body[cut:] == _seal(rows, digest)


def _seal(rows: int, digest: str) -> bytes:
    return f'"#rows","{rows}","{SEAL}","{digest}"\r\n'.encode()
