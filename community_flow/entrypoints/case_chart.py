"""Where each mark of a case's picture stands: time on the x axis, the index person on top, a lane per contact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from community_flow.domain.contacts import Level
from community_flow.domain.footfall import day_start_ms
from community_flow.services.tracing import CaseView, ContactLine

WIDTH, GUTTER, RIGHT = 960, 128, 12
TOP, LANE, BLOCK = 34, 40, 14
LANES = 14
LEAST_PX = 3.0


@dataclass(frozen=True)
class Tick:
    x: float
    text: str


@dataclass(frozen=True)
class Block:
    """A stretch of time: ``solid`` px of it are certain, the rest only possible."""

    x: float
    width: float
    solid: float
    place: int
    from_ms: int
    until_ms: int


@dataclass(frozen=True)
class Lane:
    y: float
    line: ContactLine
    level: Level
    blocks: tuple[Block, ...]
    curve: str
    x: float


@dataclass(frozen=True)
class Chart:
    width: int
    height: float
    index_y: float
    stays: tuple[Block, ...]
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    left_out: int


def drawn(view: CaseView, zone: ZoneInfo) -> Chart:
    """The picture of the first lanes; the table beside it has everybody."""
    axis = _Axis(view.case.from_ms, _end(view))
    index_y = float(TOP + LANE / 2)
    stays = tuple(
        axis.block(stay.entered_ms, stay.earliest_ms, stay.latest_ms or stay.earliest_ms, number)
        for number, stay in enumerate(view.stays)
    )
    lines = view.contacts[:LANES]
    lanes = tuple(_lane(axis, line, number, index_y) for number, line in enumerate(lines, 1))
    height = TOP + LANE * (len(lanes) + 1) + 8
    return Chart(WIDTH, height, index_y, stays, lanes, tuple(_ticks(axis, zone)), len(view.contacts) - len(lines))


def _end(view: CaseView) -> int:
    """The end of the picture: of the window, but not later than a day after the last thing in it."""
    ends = [view.case.from_ms + 24 * 3_600_000]
    ends += [each.until_ms for line in view.contacts for each in line.contact.exposures]
    ends += [stay.latest_ms or stay.earliest_ms for stay in view.stays]
    return min(view.case.to_ms, max(ends))


@dataclass(frozen=True)
class _Axis:
    from_ms: int
    to_ms: int

    def x(self, ms: int) -> float:
        share = (min(max(ms, self.from_ms), self.to_ms) - self.from_ms) / max(1, self.to_ms - self.from_ms)
        return round(GUTTER + share * (WIDTH - GUTTER - RIGHT), 1)

    def block(self, from_ms: int, certain_ms: int, until_ms: int, place: int) -> Block:
        x, solid, end = self.x(from_ms), self.x(certain_ms), self.x(until_ms)
        width = max(LEAST_PX, round(end - x, 1))
        return Block(x, width, min(width, round(solid - x, 1)), place, from_ms, until_ms)


def _lane(axis: _Axis, line: ContactLine, number: int, index_y: float) -> Lane:
    y = TOP + LANE * (number + 0.5)
    exposures = line.contact.exposures
    blocks = tuple(
        axis.block(each.from_ms, each.from_ms + each.certain_ms, each.until_ms, each.zone) for each in exposures
    )
    x = axis.x(exposures[0].from_ms)
    bend = max(GUTTER, x - 26)
    curve = f"M{x} {index_y + BLOCK / 2} C{bend} {index_y + 30}, {bend} {y - 24}, {x} {y - BLOCK / 2}"
    return Lane(y, line, line.contact.level, blocks, curve, x)


def _ticks(axis: _Axis, zone: ZoneInfo) -> Sequence[Tick]:
    """Midnights, thinned to at most twelve."""
    day: date = datetime.fromtimestamp(axis.from_ms / 1000, UTC).astimezone(zone).date()
    found = []
    while (start := day_start_ms(day, zone, 0)) <= axis.to_ms:
        if start >= axis.from_ms:
            found.append(Tick(axis.x(start), day.strftime("%m-%d")))
        day += timedelta(days=1)
    return found[:: max(1, -(-len(found) // 12))]
