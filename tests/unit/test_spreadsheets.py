"""Files as offices save them: encodings, delimiters, Excel's habits, and what is refused."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from community_flow.adapters.spreadsheets import read_sheet
from community_flow.domain.errors import Invalid
from community_flow.domain.import_rows import Table, check_mapping, guess, read, table_of

TEXT = "姓名,电话,地址\r\n林晓梅,13800138000,7号楼3单元1102\r\n喆犇,,7-3-1103\r\n"
ROWS = [["姓名", "电话", "地址"], ["林晓梅", "13800138000", "7号楼3单元1102"], ["喆犇", "", "7-3-1103"]]


def book(rows: list[list[Any]]) -> bytes:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("gb18030"),
        TEXT.encode("utf-16"),  # with its mark
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.replace(",", "\t").encode("utf-16"),  # Excel's “Unicode text”
        TEXT.replace(",", ";").encode(),
        TEXT.replace("\r\n", "\n").encode(),
    ],
    ids=["utf-8", "bom", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "tabs", "semicolons", "unix"],
)
def test_every_accepted_form_gives_the_same_rows(data: bytes) -> None:
    assert read_sheet(data) == ROWS


@pytest.mark.parametrize(
    ("data", "remedy"),
    [
        (b"", "empty"),
        (b"\r\n \r\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        ("姓名,電話,地址\r\n林曉梅,13800138000,七號樓\r\n".encode("big5"), "cannot be read"),
        ("氏名,電話,住所\r\nさとう,0312345678,ひがし\r\n".encode("shift-jis"), "cannot be read"),
        ("Name,Téléphone\r\nMüller,é\r\n".encode("latin-1"), "cannot be read"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00", "cannot be read"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old Excel"),
        (b"PK\x03\x04 not a zip", "not a table"),
        (b"a,b\n" * 5_000_000, "16 MB"),
    ],
    ids=["empty", "blank", "only a mark", "big5", "shift-jis", "latin-1", "picture", "xls", "broken zip", "20 MB"],
)
def test_what_cannot_be_used_says_what_to_send(data: bytes, remedy: str) -> None:
    with pytest.raises(Invalid, match=remedy):
        read_sheet(data)


def test_a_workbook_gives_text_and_keeps_what_excel_did_to_numbers_visible() -> None:
    a_date = datetime(2026, 7, 3)  # noqa: DTZ001 - a spreadsheet knows no time zones
    rows = read_sheet(book([["姓名", "电话", "房号"], ["林", 13800138000, 1102], ["王", 1.10101199e17, a_date]]))
    assert rows[1] == ["林", "13800138000", "1102"]
    assert rows[2] == ["王", "1.1010119900E+17", "2026-07-03T00:00:00"]


def test_rows_say_what_is_wrong_with_them_and_the_rest_is_kept() -> None:
    table = table_of([
        ["花园小区住户登记表", "", "", ""],  # a title above the heading
        ["姓名", "手机号", "房屋地址", "备注"],
        ["示例：林晓梅", "13800138000", "7-3-1102", ""],
        ["林晓梅", "13800138000", "7-3-1102", ""],
        ["", "", "", ""],
        ["王五", "1.38E+10", "7-3-1103", ""],
        ["赵六", "", "7月3日", ""],
        ["孙七", "", "7-3-1104", "110101199003070013"],
        ["", "13800138001", "7-3-1105", ""],
        ["林晓梅", "13900139000", "7-3-1102", ""],  # the same unit and name, another number
    ])  # fmt: skip
    assert table.first_line == 3
    found = read(table, guess(table.heading))
    assert [(line, each.name, each.unit) for line, each in found.residents] == [(4, "林晓梅", "7-3-1102")]
    assert [(fault.line, fault.field) for fault in found.faults] == [
        (6, "phone"), (7, "unit"), (8, "note"), (9, "name"), (10, "name"),
    ]  # fmt: skip
    assert (found.samples, found.blank) == (1, 1)


def test_three_columns_make_an_address_and_headings_may_have_hints() -> None:
    table = table_of([["*姓名", "楼栋", "单元（可空）", "房号", "联系电话"], ["林", "7号楼", "3", "1102", ""]])
    assert guess(table.heading) == ["name", "building", "entrance", "room", "phone"]
    assert read(table, guess(table.heading)).residents[0][1].unit == "7-3-1102"


def test_identity_numbers_are_refused_before_anything_is_kept() -> None:
    with pytest.raises(Invalid, match="delete the column"):
        table_of([["姓名", "身份证号", "地址"], ["林", "x", "7-3-1102"]])


def test_an_identity_number_in_a_cell_is_not_even_kept_with_the_upload() -> None:
    table = table_of([["姓名", "地址", "备注"], ["林", "7-3-1102", "证号 110101199003070013"]])
    assert "110101199003070013" not in str(table)
    assert [fault.field for fault in read(table, guess(table.heading)).faults] == ["note"]


@pytest.mark.parametrize("mapping", [[None, "address"], ["name", "building"], ["name", "room"]])
def test_a_mapping_without_name_or_address_says_so(mapping: list[Any]) -> None:
    with pytest.raises(Invalid, match="Choose the column"):
        check_mapping(mapping)


def test_a_heading_alone_and_no_heading() -> None:
    with pytest.raises(Invalid, match="no row under it"):
        table_of([["姓名", "地址"]])
    with pytest.raises(Invalid, match="No heading"):
        table_of([["林晓梅", "7-3-1102"]])


CELL = st.one_of(
    st.text(max_size=12), st.sampled_from(["7-3-1102", "林晓梅", "13800138000", "1.38E+10", "示例：x", ""])
)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=30))
def test_every_row_goes_somewhere_exactly_once(rows: list[tuple[str, str, str]]) -> None:
    table = Table(("姓名", "地址", "电话"), tuple(rows), 2)
    found = read(table, ("name", "address", "phone"))
    lines = [line for line, _ in found.residents] + [fault.line for fault in found.faults]
    assert len(lines) == len(set(lines))
    assert len(lines) + found.samples + found.blank == len(rows)


@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_a_remedy(data: bytes) -> None:
    try:
        rows = read_sheet(data)
        table_of(rows)
    except Invalid:
        return
    assert any(any(row) for row in rows)


def test_a_cell_in_the_last_corner_does_not_fill_the_memory() -> None:
    """A stray entry in XFD1048576 makes a sheet of seventeen thousand million cells."""
    from openpyxl import Workbook

    book, packed = Workbook(write_only=False), io.BytesIO()
    sheet = book.create_sheet("people", 0)
    sheet.cell(1, 1, "姓名")
    sheet.cell(2, 1, "林晓梅")
    sheet.cell(1_048_576, 16_384, "x")
    book.save(packed)
    rows = read_sheet(packed.getvalue())
    assert [row[:1] for row in rows[:2]] == [["姓名"], ["林晓梅"]]
    assert max(map(len, rows)) <= 60
