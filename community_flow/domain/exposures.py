"""Who was in the same place at the same time: a search over sorted arrays that reads little more than it finds.

Visits are sorted by (zone, duration class, entered). Within one class no visit lasts longer than that class's true
maximum ``maxd``, so a probe that was in the zone from ``a`` to ``b`` meets, for an overlap of at least ``x``, only
visits with ``entered`` in ``[a + x - maxd, b - x]``. Without the classes one forgotten exit of two days would make
every probe read two days; with them it widens the search in its own class alone.

An exit that nobody saw has bounds: until ``certain_ms`` the person was inside, after ``possible_ms`` not any more. An
overlap has both measures, and the two are never added up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Engine: TypeAlias = Literal["auto", "numpy", "numba"]

MINUTE_MS = 60_000
CLASS_EDGES_MS = np.array([15, 30, 60, 120, 240, 480, 1440], dtype=np.int64) * MINUTE_MS
CLASSES = len(CLASS_EDGES_MS) + 1
SEEN, LIKELY, POSSIBLE = 0, 1, 2
CERTAINTIES = ("seen", "likely", "possible")
NUMBA_FROM = 20_000_000
"""Candidates from which compiling (about a second, once a process) pays for itself."""
CHUNK = 4_000_000


def duration_class(duration_ms: Ints) -> Ints:
    """0-7: under 15 min, 30 min, 1, 2, 4, 8, 24 h, longer."""
    return np.searchsorted(CLASS_EDGES_MS, duration_ms, side="right").astype(np.int64)


@dataclass(frozen=True)
class Visits:
    """n visits as columns. ``person`` and ``zone`` are numbers the caller gave; times are UTC ms, all int64.

    ``entered <= certain <= possible``; ``certainty`` is SEEN, LIKELY or POSSIBLE (how well the exit is known).
    """

    person: Ints
    zone: Ints
    entered_ms: Ints
    certain_ms: Ints
    possible_ms: Ints
    certainty: Ints

    def __len__(self) -> int:
        return len(self.person)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Visits:
        """Only these rows, in this order."""
        return Visits(*(getattr(self, name)[rows] for name in COLUMNS))

    def clipped(self, from_ms: int, to_ms: int) -> Visits:
        """What of each visit lies in a window; visits that lie outside it are left out."""
        inside = (self.entered_ms < to_ms) & (self.possible_ms > from_ms)
        kept = self.take(inside)
        entered = np.maximum(kept.entered_ms, from_ms)
        certain = np.clip(kept.certain_ms, entered, np.maximum(entered, to_ms))
        possible = np.minimum(kept.possible_ms, to_ms)
        return Visits(kept.person, kept.zone, entered, certain, possible, kept.certainty)

    def and_also(self, other: Visits) -> Visits:
        """Both sets of rows, this one's first."""
        return Visits(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in COLUMNS))


COLUMNS = ("person", "zone", "entered_ms", "certain_ms", "possible_ms", "certainty")


def no_visits() -> Visits:
    return Visits(*(np.zeros(0, np.int64) for _ in COLUMNS))


@dataclass(frozen=True)
class Overlaps:
    """m overlaps as columns: rows of probes and of the index that met, since when, how long for certain and at most."""

    probe: Ints
    visit: Ints
    from_ms: Ints
    certain_ms: Ints
    possible_ms: Ints
    certainty: Ints

    def __len__(self) -> int:
        return len(self.probe)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Overlaps:
        names = ("probe", "visit", "from_ms", "certain_ms", "possible_ms", "certainty")
        return Overlaps(*(getattr(self, name)[rows] for name in names))


class Index:
    """Visits laid out for the search. ``self.visits`` is sorted; overlaps name its rows."""

    def __init__(self, visits: Visits) -> None:
        length = visits.possible_ms - visits.entered_ms
        classes = duration_class(length)
        self._zones, zone = np.unique(visits.zone, return_inverse=True)
        group = zone.astype(np.int64) * CLASSES + classes
        order = np.lexsort((visits.entered_ms, group))
        self.visits = visits.take(order)
        groups = len(self._zones) * CLASSES
        self._longest = np.full(groups, -1, np.int64)
        np.maximum.at(self._longest, group, length)
        self._first_ms = int(visits.entered_ms.min()) if len(visits) else 0
        self._span = (int(visits.entered_ms.max()) - self._first_ms + 1) if len(visits) else 1
        # One sorted key instead of one array per group: (group, entered) as a single number, far below 2**63.
        self._key = group[order] * self._span + (self.visits.entered_ms - self._first_ms)

    def search(self, probes: Visits, least_ms: int, engine: Engine = "auto") -> Overlaps:
        """Every pair of a probe and another person's visit to its zone that may overlap by ``least_ms`` or more."""
        rows, low, high = self._ranges(probes, least_ms)
        candidates = int((high - low).sum())
        if engine == "numba" or (engine == "auto" and candidates >= NUMBA_FROM and _numba_is_there()):
            from community_flow.domain.exposures_compiled import pairs

            probe, visit = pairs((rows, low, high), least_ms, _columns(probes), _columns(self.visits))
        else:
            probe, visit = self._pairs(probes, rows, low, high, least_ms)
        return overlaps_of(probes, self.visits, probe, visit, least_ms)

    def _ranges(self, probes: Visits, least_ms: int) -> tuple[Ints, Ints, Ints]:
        """Row of the probe and half-open range of the index, for each probe and duration class that has any visit."""
        place = np.searchsorted(self._zones, probes.zone)
        known = np.flatnonzero(place < len(self._zones))
        known = known[self._zones[place[known]] == probes.zone[known]]
        row = np.repeat(known, CLASSES)
        group = np.repeat(place[known] * CLASSES, CLASSES) + np.tile(np.arange(CLASSES), len(known))
        longest = self._longest[group]
        base = group * self._span
        low_ms = np.clip(probes.entered_ms[row] + least_ms - longest - self._first_ms, 0, self._span)
        high_ms = np.clip(probes.possible_ms[row] - least_ms - self._first_ms, -1, self._span - 1)
        low = np.searchsorted(self._key, base + low_ms, side="left")
        high = np.searchsorted(self._key, base + high_ms, side="right")
        some = (longest >= 0) & (high > low)
        return row[some].astype(np.int64), low[some].astype(np.int64), high[some].astype(np.int64)

    def _pairs(self, probes: Visits, rows: Ints, low: Ints, high: Ints, least_ms: int) -> tuple[Ints, Ints]:
        found = [self._filtered(probes, *each, least_ms) for each in _chunks(rows, low, high)]
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate([probe for probe, _ in found]), np.concatenate([visit for _, visit in found])

    def _filtered(self, probes: Visits, rows: Ints, low: Ints, high: Ints, least_ms: int) -> tuple[Ints, Ints]:
        width = high - low
        probe = np.repeat(rows, width)
        starts = np.concatenate([[0], np.cumsum(width)[:-1]])
        visit = np.arange(len(probe)) + np.repeat(low - starts, width)
        start = np.maximum(probes.entered_ms[probe], self.visits.entered_ms[visit])
        end = np.minimum(probes.possible_ms[probe], self.visits.possible_ms[visit])
        met = (end - start >= least_ms) & (probes.person[probe] != self.visits.person[visit])
        return probe[met], visit[met]


def overlaps_of(probes: Visits, visits: Visits, probe: Ints, visit: Ints, least_ms: int) -> Overlaps:
    """Measures of pairs of rows, ordered by probe, then start, then row.

    SEEN where the least overlap is reached by what is certain; else the weaker of the two exits' certainties.
    """
    start = np.maximum(probes.entered_ms[probe], visits.entered_ms[visit])
    certain = np.maximum(np.minimum(probes.certain_ms[probe], visits.certain_ms[visit]) - start, 0)
    possible = np.minimum(probes.possible_ms[probe], visits.possible_ms[visit]) - start
    weaker = np.maximum(probes.certainty[probe], visits.certainty[visit])
    enough = (certain >= least_ms) & ((certain > 0) | (weaker == SEEN))
    certainty = np.where(enough, SEEN, np.maximum(weaker, LIKELY))
    order = np.lexsort((visit, start, probe))
    return Overlaps(*(each[order] for each in (probe, visit, start, certain, possible, certainty)))


def _chunks(rows: Ints, low: Ints, high: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Ranges in groups of about CHUNK candidates, so that memory stays bounded."""
    if not len(rows):
        return
    ends = np.cumsum(high - low) // CHUNK
    cuts = np.flatnonzero(np.diff(ends)) + 1
    yield from zip(np.split(rows, cuts), np.split(low, cuts), np.split(high, cuts), strict=True)


def _columns(visits: Visits) -> tuple[Ints, Ints, Ints]:
    return visits.person, visits.entered_ms, visits.possible_ms


def _numba_is_there() -> bool:
    from importlib.util import find_spec

    return find_spec("numba") is not None
