"""Addresses as offices write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from community_flow.domain.addresses import Address, from_parts, natural, split_address
from community_flow.domain.errors import Invalid

WRITTEN = [
    ("7号楼3单元1102", "7-3-1102"),
    ("7号楼3单元1102室", "7-3-1102"),
    ("7-3-1102", "7-3-1102"),
    ("３弄１２号５０２", "3-12-502"),  # full width
    ("3弄12号502", "3-12-502"),
    ("3弄12号502室", "3-12-502"),
    ("7栋1102", "7-1102"),
    ("7幢3单元 1102 室", "7-3-1102"),
    ("7#3-1102", "7-3-1102"),
    ("7#楼1102", "7-1102"),
    ("A座1203", "A-1203"),
    ("a座1203室", "A-1203"),
    ("B2栋301", "B2-301"),
    ("七号楼三单元1102", "7-3-1102"),  # numerals
    ("十二号楼1单元302", "12-1-302"),
    ("二十号楼302", "20-302"),
    ("锦绣花园7号楼3单元1102", "7-3-1102"),  # the compound's name in front
    ("锦绣花园二期7号楼3单元1102", "2期7-3-1102"),  # a phase has a building 7 of its own
    ("7号楼3门1102", "7-3-1102"),
    ("7号楼3单元11层1102", "7-3-1102"),
    ("07-03-0102", "7-3-102"),  # leading zeros
    ("7/3/1102", "7-3-1102"),
    ("7—3—1102", "7-3-1102"),
    ("7 3 1102", "7-3-1102"),
    ("12号502", "12-502"),
    ("12号", "12"),  # a house of its own
    ("7-1102B", "7-1102B"),
]
UNCLEAR = ["", "7号楼", "1102", "东门", "中山路88号7号楼3单元1102", "7-3-11-02", "??", "7号楼3单元", "张三"]
DATES = ["2026-07-03", "2026/7/3", "2026年7月3日", "7月3日", "3-Jul", "2026-07-03 00:00:00"]


@pytest.mark.parametrize(("text", "unit"), WRITTEN)
def test_an_address_as_offices_write_it(text: str, unit: str) -> None:
    assert split_address(text).unit == unit


@pytest.mark.parametrize("text", UNCLEAR)
def test_what_cannot_be_split_says_how_to_write_it(text: str) -> None:
    with pytest.raises(Invalid, match="7-3-1102"):
        split_address(text)


@pytest.mark.parametrize("text", DATES)
def test_an_address_that_a_spreadsheet_made_a_date_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="into a date"):
        split_address(text)


@given(st.integers(1, 999), st.one_of(st.none(), st.integers(1, 99)), st.integers(1, 9999))
def test_the_kept_spelling_reads_as_itself(building: int, entrance: int | None, room: int) -> None:
    address = Address(str(building), str(entrance) if entrance else None, str(room))
    assert split_address(address.unit) == address


@given(st.text(max_size=40))
def test_any_text_gives_an_address_or_a_remedy(text: str) -> None:
    try:
        address = split_address(text)
    except Invalid:
        return
    assert split_address(address.unit) == address or address.room is None or "期" in address.building


def test_columns_of_their_own() -> None:
    assert from_parts("7号楼", "3单元", "1102室").unit == "7-3-1102"
    assert from_parts("7", "", "1102").unit == "7-1102"
    assert from_parts("七栋", "", "1102").unit == "7-1102"
    for parts in (("7", "3", ""), ("", "", "1102")):
        with pytest.raises(Invalid):
            from_parts(*parts)


def test_units_sort_as_people_count() -> None:
    assert sorted(["10-1-101", "2-1-101", "2-1-99", "A-3"], key=natural) == ["2-1-99", "2-1-101", "10-1-101", "A-3"]
