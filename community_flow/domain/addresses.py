"""Where somebody lives, out of however an office wrote it: 7号楼3单元1102, 7-3-1102, 3弄12号502."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from community_flow.domain.errors import Invalid

UNCLEAR = "The address %(text)s cannot be split: write building-entrance-room, for example 7-3-1102 or 7-1102."
TURNED_TO_DATE = (
    "The spreadsheet turned this address into a date (%(text)s): format the column as text and enter it again, for "
    "example 7-3-1102."
)


@dataclass(frozen=True, order=True)
class Address:
    """Parts without leading zeros. A house of its own has a building only."""

    building: str
    entrance: str | None
    room: str | None

    @property
    def unit(self) -> str:
        """The one spelling that is kept: 7-3-1102, 7-1102 or 12."""
        return "-".join(part for part in (self.building, self.entrance, self.room) if part)


_PHASE = r"(?:(?P<phase>[0-9]{1,2})期)?"
_LABELLED = re.compile(
    r"[^0-9]*?" + _PHASE + r"(?P<building>[A-Z]?[0-9]{1,4}[A-Z]?|[A-Z])(?:号楼|號樓|栋|幢|座|#楼?|楼|弄|号)-?"
    r"(?:(?P<entrance>[A-Z]?[0-9]{1,3}|[A-Z])(?:单元|單元|门|梯|号楼?|#|-)-?)?"
    r"(?:[0-9]{1,2}层-?)?"
    r"(?P<room>[0-9]{1,5}[A-Z]?|[A-Z][0-9]{1,4})(?:室|号|房|户)?"
)
_DASHED = re.compile(
    _PHASE + r"(?P<building>[A-Z]?[0-9]{1,4}[A-Z]?|[A-Z])-(?:(?P<entrance>[A-Z]?[0-9]{1,3}|[A-Z])-)?"
    r"(?P<room>[0-9]{1,5}[A-Z]?|[A-Z][0-9]{1,4})"
)
_HOUSE = re.compile(r"[^0-9]*?" + _PHASE + r"(?P<building>[0-9]{1,4}[A-Z]?)号")
_DATE = re.compile(
    r"[0-9]{4}[-/年.][0-9]{1,2}[-/月.][0-9]{1,2}日?.*|[0-9]{1,2}月[0-9]{1,2}日|"
    r"[0-9]{1,2}-(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[A-Z]*(?:-[0-9]{2,4})?"
)
_SEPARATORS = re.compile(r"[-‐‑‒–—―−_/\\.、,，~～]+")
_LABELS = re.compile(r"号楼|栋|幢|座|楼|单元|门|室|房|户|号|#|\s")
_NUMERALS = re.compile(r"[一二三四五六七八九十]{1,3}(?=号楼|栋|幢|座|单元|门|期|弄|号)")
_DIGITS = {numeral: value for value, numeral in enumerate("一二三四五六七八九", 1)}


def split_address(text: str) -> Address:
    """The parts of one address; raises Invalid with the remedy."""
    plain = unicodedata.normalize("NFKC", text).strip().upper()
    if _DATE.fullmatch(re.sub(r"\s", "", plain)):
        raise Invalid(TURNED_TO_DATE, field="unit", text=text[:40])
    spelled = _NUMERALS.sub(lambda found: str(_number(found.group())), re.sub(r"\s+", " ", plain))
    tight = _SEPARATORS.sub("-", spelled.replace(" ", "")).strip("-")
    spaced = _SEPARATORS.sub("-", spelled.replace(" ", "-")).strip("-")
    for shape, candidate in ((_LABELLED, tight), (_DASHED, spaced), (_HOUSE, tight)):
        found = shape.fullmatch(candidate)
        if found:
            parts = found.groupdict()
            return _address(parts["phase"], parts["building"], parts.get("entrance"), parts.get("room"))
    raise Invalid(UNCLEAR, field="unit", text=text[:40])


def from_parts(building: str, entrance: str, room: str) -> Address:
    """An address that came in columns of its own: 7 or 7号楼, 3 or 3单元 or nothing, 1102 or 1102室."""
    parts = [
        re.sub(r"号楼|栋|幢|座|楼|单元|门|室|房|户|号|#|\s", "", _plain(part)) for part in (building, entrance, room)
    ]
    written = "-".join(part for part in parts if part)
    if not parts[0] or not parts[2]:
        raise Invalid(UNCLEAR, field="unit", text=written or "—")
    return split_address(written)


def natural(unit: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts 2-1-101 before 10-1-101."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", unit)
    return tuple((0, int(piece)) if piece.isdecimal() else (1, piece) for piece in pieces)


def building_of(unit: str) -> str:
    """The building's part of a kept unit."""
    return unit.split("-", 1)[0]


def _plain(part: str) -> str:
    spelled = unicodedata.normalize("NFKC", part).strip().upper()
    return _NUMERALS.sub(lambda found: str(_number(found.group())), spelled)


def _address(phase: str | None, building: str, entrance: str | None, room: str | None) -> Address:
    within = f"{int(phase)}期" if phase else ""
    return Address(within + _bare(building), entrance and _bare(entrance), room and _bare(room))


def _bare(part: str) -> str:
    return part.lstrip("0") or "0"


def _number(numeral: str) -> int:
    """七 -> 7, 十二 -> 12, 二十 -> 20."""
    tens, ten, ones = numeral.rpartition("十")
    if not ten:
        return int("".join(str(_DIGITS[letter]) for letter in numeral))
    return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0)
