"""How many came, went and stayed: hourly counts without persons, and their sums by the community's own calendar.

The grain is the UTC hour. Where the local offset is a whole number of hours (China always) that is the local hour too;
elsewhere an hour that straddles midnight belongs to the day it began in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from community_flow.domain.exposures import Ints
from community_flow.domain.local_days import EPOCH, local_days

HOUR_MS = 3_600_000
Grain: TypeAlias = Literal["hour", "day", "hour_of_day", "weekday"]
PlaceKind: TypeAlias = Literal["gate", "zone"]


@dataclass(frozen=True)
class HourCount:
    """One place in one hour. It names nobody and is kept for two years.

    Gates: ``entries`` and ``exits`` as bodies. Zones: visits begun and ended, person-time inside (what is certain, and
    what is possible at most), and how many stays with a seen exit began in this hour and how long they lasted.
    """

    community: str
    kind: PlaceKind
    place: str
    hour_ms: int
    entries: int = 0
    exits: int = 0
    inside_low_ms: int = 0
    inside_high_ms: int = 0
    dwells: int = 0
    dwell_ms: int = 0


@dataclass(frozen=True)
class Stays:
    """Visits of one zone as columns: UTC ms; ``left_ms`` is -1 where no exit was seen."""

    entered_ms: Ints
    left_ms: Ints
    earliest_ms: Ints
    until_ms: Ints


def hour_of(ms: int) -> int:
    """Start of the hour."""
    return ms - ms % HOUR_MS


def zone_hours(
    community: str, zone: str, stays: Stays, from_ms: int, to_ms: int, now_ms: int | None = None
) -> list[HourCount]:
    """Rows of one zone for the hours in [from_ms, to_ms), both at full hours; hours with nothing in them are left out.

    ``stays`` are all that touch the window. Nobody is counted inside after ``now_ms``.
    """
    edges = np.arange(from_ms, to_ms + 1, HOUR_MS, dtype=np.int64)
    seen = stays.left_ms >= 0
    begun, _ = np.histogram(stays.entered_ms, edges)
    ended, _ = np.histogram(stays.left_ms[seen], edges)
    dwell = np.where(seen, stays.left_ms - stays.entered_ms, 0)
    dwells, _ = np.histogram(stays.entered_ms[seen], edges)
    dwell_ms, _ = np.histogram(stays.entered_ms[seen], edges, weights=dwell[seen])
    low = person_ms(stays.entered_ms, stays.earliest_ms, edges)
    high = person_ms(stays.entered_ms, np.minimum(stays.until_ms, to_ms if now_ms is None else now_ms), edges)
    columns = zip(edges[:-1], begun, ended, low, high, dwells, dwell_ms, strict=True)
    rows = [[int(value) for value in row] for row in columns]
    return [HourCount(community, "zone", zone, *row) for row in rows if any(row[1:])]


def person_ms(entered_ms: Ints, left_ms: Ints, edges: Ints) -> Ints:
    """Person-time inside between neighbouring edges, by one sorted pass: all time since entry less all since exit."""
    left = np.maximum(left_ms, entered_ms)
    total: Ints = np.diff(_time_since(np.sort(entered_ms), edges) - _time_since(np.sort(left), edges))
    return total


def _time_since(moments: Ints, edges: Ints) -> Ints:
    """For each edge, the sum of (edge - moment) over the moments before it."""
    before = np.searchsorted(moments, edges, side="left")
    sums = np.concatenate([[0], np.cumsum(moments)])
    total: Ints = before * edges - sums[before]
    return total


def day_of(ms: int, zone: ZoneInfo, cutoff_hour: int) -> date:
    """The community's day: from its cut-off hour to the next day's, by the clock on the wall."""
    return local_days(zone.key, cutoff_hour).date(ms)


def day_start_ms(day: date, zone: ZoneInfo, cutoff_hour: int) -> int:
    """When a community's day begins."""
    return local_days(zone.key, cutoff_hour).start_ms((day - EPOCH).days)


def label_of(ms: int, grain: Grain, zone: ZoneInfo, cutoff_hour: int) -> str:
    """The bucket an hour belongs to, sortable. Hours carry their offset: an autumn night has two of 02:00."""
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)
    if grain == "hour":
        return local.isoformat(timespec="minutes")
    if grain == "hour_of_day":
        return f"{local:%H:%M}"  # where the zone is half an hour off, hours begin at half past
    day = day_of(ms, zone, cutoff_hour)
    return day.isoformat() if grain == "day" else str(day.isoweekday())


def labels_between(from_ms: int, to_ms: int, grain: Grain, zone: ZoneInfo, cutoff_hour: int) -> list[str]:
    """Every bucket of a window in order, those without anybody included."""
    hours = range(hour_of(from_ms), to_ms, HOUR_MS)
    found = dict.fromkeys(label_of(hour, grain, zone, cutoff_hour) for hour in hours)
    return sorted(found) if grain in ("hour_of_day", "weekday") else list(found)


def tabled(
    rows: Iterable[HourCount], labels: Sequence[str], places: Sequence[str],
    label: Callable[[int], str], value: Callable[[HourCount], int],
) -> Ints:  # fmt: skip
    """A table labels x places of the sums of ``value``; rows elsewhere are left out."""
    line, column = {name: n for n, name in enumerate(labels)}, {name: n for n, name in enumerate(places)}
    cells = np.zeros((len(labels), len(places)), np.int64)
    for row in rows:
        at = line.get(label(row.hour_ms))
        if at is not None and row.place in column:
            cells[at, column[row.place]] += value(row)
    return cells
