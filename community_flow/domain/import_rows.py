"""A table of residents as an office keeps it: find the heading, guess the columns, read each row or refuse it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from community_flow.domain.addresses import from_parts, split_address
from community_flow.domain.errors import Invalid
from community_flow.domain.residents import (
    Field,
    Resident,
    clean_card,
    clean_name,
    clean_note,
    clean_phone,
    clean_type,
    refuse_identity_column,
    refuse_rounded,
    without_identity_number,
)

HEADINGS: dict[Field, tuple[str, ...]] = {
    "name": ("姓名", "名字", "住户姓名", "居民姓名", "户主", "name", "fullname"),
    "phone": (
        "电话",
        "手机",
        "手机号",
        "手机号码",
        "电话号码",
        "联系电话",
        "联系方式",
        "phone",
        "mobile",
        "telephone",
        "tel",
    ),
    "address": (
        "地址",
        "住址",
        "房屋",
        "门牌",
        "门牌号",
        "房屋地址",
        "楼栋房号",
        "家庭住址",
        "address",
        "unit",
        "home",
    ),
    "building": ("楼栋", "栋", "楼号", "幢", "楼", "座", "弄", "building", "block"),
    "entrance": ("单元", "单元号", "门", "entrance", "staircase"),
    "room": ("房号", "房间", "室", "室号", "房间号", "room", "flat", "apartment"),
    "type": ("类型", "人员类型", "人员类别", "类别", "身份", "type", "kind"),
    "card": (
        "卡号", "ic卡", "ic卡号", "门禁卡", "门禁卡号", "门卡", "card", "cardnumber", "iccard", "iccardnumber",
    ),
    "note": ("备注", "说明", "note", "notes", "remark", "remarks"),
}  # fmt: skip
HEADING_ROWS = 10
MOST_ROWS = 20_000
SAMPLE_MARKS = ("示例", "Example")

NO_HEADING = (
    "No heading row was found: the first row names the columns, for example 姓名, 电话, 地址. Take the template."
)
NO_NAME = "Choose the column that holds the names."
NO_ADDRESS = "Choose the column that holds the address, or those with building and room."
TOO_MANY = "The file has over 20,000 rows: send it in parts."
TWICE = "The same name and unit stands in row %(row)s with another telephone number: keep one, or tell them apart."
CARD_TWICE = "The card number stands in row %(row)s too: a card opens for one person."
ONLY_HEADING = "There is a heading and no row under it: fill in the people and send the file again."


@dataclass(frozen=True)
class Table:
    """The rows under a heading. ``first_line`` is the line number of the first of them, as a spreadsheet shows it."""

    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    first_line: int


@dataclass(frozen=True)
class Fault:
    """What is wrong with one row; ``remedy`` and ``values`` are translated where they are shown."""

    line: int
    field: str | None
    remedy: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Read:
    """What a table holds. Every row under the heading is in exactly one of the four."""

    residents: tuple[tuple[int, Resident], ...]
    faults: tuple[Fault, ...]
    samples: int
    blank: int
    cards: Mapping[int, str]
    """The number of the IC card of a resident, by line; never a part of the resident, because it is not kept."""


def table_of(rows: Sequence[Sequence[str]]) -> Table:
    """Find the heading; raises Invalid."""
    scored = [(sum(field is not None for field in guess(row)), -at) for at, row in enumerate(rows[:HEADING_ROWS])]
    best, at = max(scored, default=(0, 0))
    if best == 0:
        raise Invalid(NO_HEADING, field="file")
    # Our own files end with a line that says how many rows they have.
    heading, under = rows[-at], [row for row in rows[-at + 1 :] if not row or row[0] != "#rows"]
    for column in heading:
        refuse_identity_column(column)
    if not any(any(row) for row in under):
        raise Invalid(ONLY_HEADING, field="file")
    if len(under) > MOST_ROWS:
        raise Invalid(TOO_MANY, field="file")
    width = len(heading)
    filled = tuple((*map(without_identity_number, row[:width]), *("",) * (width - len(row))) for row in under)
    return Table(tuple(heading), filled, -at + 2)


def guess(heading: Sequence[str]) -> list[Field | None]:
    """What each column holds, by its heading; each field is given once."""
    given: set[Field] = set()
    fields: list[Field | None] = []
    for column in heading:
        field = next((field for field, words in HEADINGS.items() if _plain(column) in words), None)
        fields.append(None if field in given else field)
        given |= {field} if field else set()
    return fields


def check_mapping(mapping: Sequence[Field | None]) -> None:
    """Raises Invalid when a name or an address would be missing from every row."""
    if "name" not in mapping:
        raise Invalid(NO_NAME, field="mapping")
    if "address" not in mapping and not {"building", "room"} <= set(mapping):
        raise Invalid(NO_ADDRESS, field="mapping")


def read(table: Table, mapping: Sequence[Field | None]) -> Read:
    """Every row as a resident or a fault."""
    residents: dict[tuple[str, str], tuple[int, Resident]] = {}
    found: list[tuple[int, Resident]] = []
    faults: list[Fault] = []
    cards: dict[str, int] = {}
    samples = blank = 0
    for line, row in enumerate(table.rows, table.first_line):
        values = {field: cell for field, cell in zip(mapping, row, strict=True) if field}
        if not any(values.values()):
            blank += 1
        elif values.get("name", "").startswith(SAMPLE_MARKS):
            samples += 1
        else:
            try:
                resident = _distinct(read_row(values), residents, line)
                number = _card(values, cards)
            except Invalid as wrong:
                faults.append(Fault(line, wrong.field, wrong.remedy, wrong.values))
            else:
                found.append((line, resident))
                if number:
                    cards[number] = line
    return Read(tuple(found), tuple(faults), samples, blank, {line: number for number, line in cards.items()})


def read_row(values: dict[Field, str]) -> Resident:
    """One row; raises Invalid for the first thing that is wrong with it."""
    for field in ("address", "building", "entrance", "room"):
        refuse_rounded(values.get(field, ""), "unit")
    if values.get("address"):
        address = split_address(values["address"])
    else:
        address = from_parts(values.get("building", ""), values.get("entrance", ""), values.get("room", ""))
    return Resident(
        name=clean_name(values.get("name", "")),
        phone=clean_phone(values.get("phone", "")) or "",
        unit=address.unit,
        type=clean_type(values.get("type", "")),
        note=clean_note(values.get("note", "")) or "",
    )


def _card(values: Mapping[Field, str], before: Mapping[str, int]) -> str:
    """One card is one row's."""
    refuse_rounded(values.get("card", ""), "card")
    number = clean_card(values.get("card", ""))
    if number in before:
        raise Invalid(CARD_TWICE, field="card", row=before[number])
    return number


def _distinct(resident: Resident, seen: dict[tuple[str, str], tuple[int, Resident]], line: int) -> Resident:
    """The resident, unless somebody of that name in that unit came before with another telephone number."""
    key = (resident.unit, resident.name)
    if key in seen:
        first_line, first = seen[key]
        if first.phone and resident.phone and first.phone != resident.phone:
            raise Invalid(TWICE, field="name", row=first_line)
    else:
        seen[key] = (line, resident)
    return resident


def _plain(heading: str) -> str:
    plain = unicodedata.normalize("NFKC", heading).lower()
    return re.sub(r"\(.*$|[\s_*:]", "", plain)
