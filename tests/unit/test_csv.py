"""Exports that do nothing when they are opened, and that show when they were cut."""

from __future__ import annotations

import csv
import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from community_flow.domain.csv import BOM, intact, safe, written

FORMULA = "=cmd|'/C calc'!A0"
HOSTILE = [
    "=1+1", "+1+1", "-1+1", "@SUM(1)", FORMULA, "\t=1+1", "\r=1+1", "\n=1+1", "\0=1+1", " =1+1", "\u00a0=1+1",
    "\u3000=1+1",
    "\ufeff=1+1", "\u200b=1+1", "\u202e=1+1", "＝1+1", "＋1+1", "－1+1", "＠SUM(1)", "\u2212 1+1", "'=1+1",
    "\"=1+1", "\" =1+1",
    "x;=1+1", "x\t=1+1", "x;\"=1+1", "x,=1+1", "x\",\"=1+1", "x\n=1+1", "x\r\n+1", "%0A=1+1", "|calc", "\ud800=1",
    "x; \u200b=1+1", "\x85=1+1", "\u2028=1+1", "x\u2029=1+1", "\x1b=1",
]  # fmt: skip
STARTERS = tuple("=+-@|%＝＋－＠\u2212\t\r\n\0")


def cells_as_opened(body: bytes, delimiter: str) -> list[str]:
    """Cells as a spreadsheet with that list separator sees them; it trims blanks and stray quotes before it looks."""
    text = body.decode("utf-8-sig")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    naive = [part for line in text.splitlines() for part in line.split(delimiter)]
    return [cell.strip(' \u00a0\u3000"') for row in rows for cell in row] + [
        part.strip(' \u00a0\u3000"') for part in naive
    ]


@pytest.mark.parametrize("payload", HOSTILE)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_begins_like_a_formula(payload: str, delimiter: str) -> None:
    body = written("x.csv", ["name", "note"], [["林晓梅", payload], [payload, 1]]).body
    assert not [cell for cell in cells_as_opened(body, delimiter) if cell.startswith(STARTERS)]


@given(st.text(alphabet=[*"=+-@|%;,\"' \t\r\n\0a1", "\u200b", "＝"], max_size=12))
def test_no_text_of_hostile_characters_begins_a_formula(text: str) -> None:
    body = written("x.csv", ["a"], [[text]]).body
    for delimiter in ",;\t":
        assert not [cell for cell in cells_as_opened(body, delimiter) if cell.startswith(STARTERS)]


@pytest.mark.parametrize(
    "text",
    ["林晓梅", "7-3-1102", "P-7K3F", "2026-11-23 14:00", "a - b", "爱新觉罗·溥仪", "", "𠮷野家", "Müller-Lüdenscheidt"],
)
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert safe(text) == text


def test_numbers_stay_numbers() -> None:
    assert [safe(-5), safe(-0.5), safe(None), safe(12)] == ["-5", "-0.5", "", "12"]


def test_a_file_has_a_bom_and_says_how_many_rows_it_has() -> None:
    export = written("x.csv", ["a"], [["1"], ["2"]])
    assert export.body.startswith(BOM.encode())
    assert export.rows == 2
    assert export.body.decode().splitlines()[-1] == f'"#rows","2","#sha256","{export.digest}"'
    assert intact(export.body)


def test_a_cut_or_altered_file_is_found_out() -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    body = written("x.csv", ["a", "b"], [[str(n), "x\ny"] for n in range(20)]).body
    lines = body.splitlines(keepends=True)
    assert not intact(b"".join(lines[:-2] + lines[-1:])), "a row is missing"
    assert not intact(b"".join(lines[:-1])), "the last line is missing"
    at = rng.randrange(len(body))
    assert not intact(body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]), f"byte {at} altered (seed {seed})"
