"""The fold of a whole community at once, over arrays: the same rows as `fold.py` gives report by report.

It rests on one fact: after a passage through a known gate, the zones that are open are those of the gate's far side,
whatever was before. So what a passage opens and closes follows from it and the passage before it, and each visit's
opening passage is found by filling forward. Subjects for whom that does not hold (a gate unknown at the time, a state
that retention left) are given back, to be folded one by one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from community_flow.domain.bulk_columns import Codes32, Ints, Mask, ScanTable, _Subjects
from community_flow.domain.bulk_ways import UNBOUNDED, Ways, ways_of
from community_flow.domain.rulebook import Rulebook


@dataclass(slots=True)
class BulkPassages:
    """Passages, by subject and within it in key order. ``first`` and ``last`` are rows of ``table``."""

    table: ScanTable
    ways: Ways
    first: Ints
    last: Ints
    t_ms: Ints
    last_ms: Ints
    source: Codes32
    seq: Ints
    subject: Codes32
    way: Codes32
    last_way: Codes32
    party: Ints
    positioned: Mask
    follows: Mask
    """Whether the row before is the same subject's passage before."""
    opened: Ints
    """[passage, slot]: the passage that opened the visit which is open in that slot afterwards."""
    kept: Mask
    """[passage, slot]: that visit was open before."""
    bound_ms: Ints
    """[passage, slot]: the latest exit that the zone's own rules allow, as known after the passage."""

    def __len__(self) -> int:
        return len(self.first)

    @property
    def goal(self) -> Codes32:
        """[passage, slot]: the zone that is open afterwards."""
        found: Codes32 = np.where(self.positioned[:, None], self.ways.goal[self.way], -1)
        return found

    def in_key_order(self) -> Ints:
        return np.lexsort((self.seq, self.source, self.t_ms))

    def unseen(self) -> Mask:
        """An exit by somebody who was known to be elsewhere."""
        inner = self.ways.inner[self.way]
        inside = (self.before(self.goal) == inner[:, None]).any(axis=1) & (inner >= 0)
        away: Mask = self.follows & ~self.ways.inward[self.way] & ~inside
        return away

    def before(self, goal: Codes32) -> Codes32:
        """[passage, slot]: the zone that was open before; -1 where there is no passage before."""
        found = np.full_like(goal, -1)
        found[1:] = np.where(self.follows[1:, None], goal[:-1], -1)
        return found


@dataclass(slots=True)
class BulkVisits:
    """Visits, in the order of the passages that opened them."""

    opener: Ints
    closer: Ints
    """-1: still open."""
    zone: Codes32
    seen: Mask
    earliest_ms: Ints
    latest_ms: Ints
    """UNBOUNDED where there is none."""


@dataclass(slots=True)
class BulkFolded:
    passages: BulkPassages
    attempts: Ints
    """Rows of ``table`` that did not pass, in key order."""
    table: ScanTable
    subject: Codes32
    """Of each row of ``table``."""
    names: list[str]
    irregular: list[Ints]
    """Rows, in key order, of each subject that must be folded by itself."""

    def name_of(self, subject: int, row: int) -> str:
        """A subject's name; ``row`` is any report of it."""
        if subject < len(self.names):
            return self.names[subject]
        return "r:" + self.table.sources.id(self.table.source[row], int(self.table.seq[row]))


def fold_all(table: ScanTable, subjects: _Subjects, rules: Rulebook, anchored: Collection[str]) -> BulkFolded:
    """Everything that follows from these reports alone. ``anchored``: subjects that retention left a state of."""
    order = np.lexsort((table.seq, table.source, table.t_ms, subjects.code))
    table, subject = table.taken(order), subjects.code[order]
    ways, way = ways_of(table, rules)
    passed = np.array([label.passed for label in table.labels], bool)[table.label]
    positioned = subject < len(subjects.names)
    odd = np.zeros(len(subjects.names) + 1, bool)
    odd[subject[passed & positioned & ~ways.known[way]]] = True
    odd[: len(subjects.names)] |= np.array([name in anchored for name in subjects.names], bool) | (not ways.regular)
    irregular = odd[np.minimum(subject, len(subjects.names))] & positioned
    regular = np.flatnonzero(passed & ~irregular)
    passages = _passages(table, ways, way, subject, positioned, regular)
    attempts = np.flatnonzero(~passed & ~irregular)
    attempts = attempts[np.lexsort((table.seq[attempts], table.source[attempts], table.t_ms[attempts]))]
    apart = np.flatnonzero(irregular)
    cuts = np.flatnonzero(np.diff(subject[apart])) + 1
    groups = np.split(apart, cuts) if len(apart) else []
    return BulkFolded(passages, attempts, table, subject, subjects.names, groups)


def _passages(
    table: ScanTable, ways: Ways, way: Codes32, subject: Codes32, positioned: Mask, rows: Ints
) -> BulkPassages:
    begins = _begins(table.t_ms[rows], way[rows], subject[rows], ways)
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(rows))
    first, last = rows[starts], rows[ends - 1] if len(rows) else rows
    parties = np.array([label.party for label in table.labels], np.int64)
    party = np.maximum.reduceat(parties[table.label[rows]], starts) if len(starts) else np.empty(0, np.int64)
    follows = np.append(False, subject[first[1:]] == subject[first[:-1]])[: len(first)]
    found = BulkPassages(
        table, ways, first, last, table.t_ms[first], table.t_ms[last], table.source[first], table.seq[first],
        subject[first], way[first], way[last], party, positioned[first], follows,
        np.empty((0, 0), np.int64), np.empty((0, 0), bool), np.empty((0, 0), np.int64),
    )  # fmt: skip
    _open(found)
    return found


def _begins(t_ms: Ints, way: Codes32, subject: Codes32, ways: Ways) -> Mask:
    """Which of these scans begin a passage: the others lie within the window of the first of their passage."""
    if not len(t_ms):
        return np.empty(0, bool)
    same = np.zeros(len(t_ms), bool)
    same[1:] = (
        (subject[1:] == subject[:-1])
        & (ways.gate[way[1:]] == ways.gate[way[:-1]])
        & (ways.inward[way[1:]] == ways.inward[way[:-1]])
        # Sooner than any window after the scan before, or it cannot be within the window of an earlier one.
        & (np.diff(t_ms) <= ways.window_ms.max())
    )
    begins = ~same
    repeats = np.flatnonzero(same)
    start = np.maximum.accumulate(np.where(begins, np.arange(len(t_ms)), 0))[repeats]
    beyond = t_ms[repeats] > t_ms[start] + ways.window_ms[way[start]]
    crowded = np.isin(start, start[beyond])
    _begin_again(begins, t_ms, way, repeats[crowded], start[crowded], ways)
    return begins


def _begin_again(begins: Mask, t_ms: Ints, way: Codes32, repeats: Ints, start: Ints, ways: Ways) -> None:
    """Runs of repeats that outlast a window: where a passage ends depends on where it began, so one by one."""
    run, until_ms = -1, 0
    for row, run_start in zip(repeats.tolist(), start.tolist(), strict=True):
        if run_start != run:
            run, until_ms = run_start, int(t_ms[run_start] + ways.window_ms[way[run_start]])
        if t_ms[row] > until_ms:
            begins[row] = True
            until_ms = int(t_ms[row] + ways.window_ms[way[row]])


def _open(found: BulkPassages) -> None:
    """Fill in what is open after each passage, since when, and until when at most."""
    ways, slots = found.ways, found.ways.slots
    goal = found.goal
    before = found.before(goal)
    again = ways.inward[found.way][:, None] & (goal == ways.inner[found.way][:, None])
    found.kept = (goal >= 0) & (goal == before) & ~again
    places = np.arange(len(found))[:, None]
    found.opened = np.maximum.accumulate(np.where(found.kept, 0, places), axis=0)
    found.bound_ms = np.empty((len(found), slots), np.int64)
    for slot in range(slots):
        found.bound_ms[:, slot] = ways.bounds(goal[:, slot], found.last_way, found.last_ms)


def visits_of(found: BulkPassages) -> BulkVisits:
    """Each visit is met where it ends: at a passage that does not keep it, or after the subject's last passage."""
    goal = found.goal
    parts = [part for slot in range(found.ways.slots) for part in _ended(found, goal, slot)]
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)] if parts else [np.empty(0, np.int64)] * 6
    opener, closer, zone, seen, earliest, latest = columns
    names = np.array(_places_of(found.ways.zones), np.int64)
    ranks = np.empty(len(found), np.int64)
    ranks[found.in_key_order()] = np.arange(len(found))
    order = np.lexsort((names[zone.astype(np.int64)], ranks[opener.astype(np.int64)])) if len(opener) else opener
    order = order.astype(np.int64)
    return BulkVisits(
        opener[order], closer[order], zone[order].astype(np.int32), seen[order].astype(bool), earliest[order],
        latest[order],
    )  # fmt: skip


def _places_of(zones: list[str]) -> list[int]:
    order = sorted(range(len(zones)), key=lambda each: zones[each])
    places = [0] * len(zones)
    for place, each in enumerate(order):
        places[each] = place
    return places


def _ended(found: BulkPassages, goal: Codes32, slot: int) -> list[tuple[Ints, Ints, Codes32, Mask, Ints, Ints]]:
    ways = found.ways
    was_open = found.before(goal)[:, slot] >= 0
    closing = np.flatnonzero(was_open & ~found.kept[:, slot])
    last = closing - 1
    zone, way = goal[last, slot], found.way[closing]
    t_ms = found.t_ms[closing]
    witnessed = ways.start[way, slot] == zone
    seen = ~ways.inward[way] & (ways.inner[way] == zone)
    earliest = np.where(witnessed, t_ms, found.last_ms[last])
    bound = found.bound_ms[last, slot]
    ends = np.where(witnessed | (bound == UNBOUNDED), t_ms, np.minimum(t_ms, bound))
    latest = np.maximum(earliest, ends)
    ended = (found.opened[last, slot], closing, zone, seen, earliest, latest)
    final = np.append(~found.follows[1:], True)[: len(found)]
    rest = np.flatnonzero(final & (goal[:, slot] >= 0))
    bound = found.bound_ms[rest, slot]
    evidence = found.last_ms[rest]
    latest = np.where(bound == UNBOUNDED, UNBOUNDED, np.maximum(evidence, bound))
    nobody = np.full(len(rest), -1, np.int64)
    still = (found.opened[rest, slot], nobody, goal[rest, slot], np.zeros(len(rest), bool), evidence, latest)
    return [ended, still]


def doubtful(found: BulkPassages) -> Mask:
    """Passages that may contradict what was before; `conflicts.of_passage` decides."""
    ways, way = found.ways, found.way
    if not len(found):
        return np.empty(0, bool)
    before = found.before(found.goal)
    start = ways.start[way]
    unseen_entry = ((start >= 0) & (start != before) & ways.entries_scanned[way]).any(axis=1)
    inside = (before == ways.inner[way][:, None]).any(axis=1)
    passback = ways.inward[way] & ways.exits_scanned[way] & inside
    gate = ways.gate[way]
    elsewhere, took_ms = np.zeros(len(found), bool), np.zeros(len(found), np.int64)
    elsewhere[1:] = gate[1:] != gate[:-1]
    took_ms[1:] = found.t_ms[1:] - found.last_ms[:-1]
    mask: Mask = found.follows & (unseen_entry | passback | (elsewhere & (took_ms < ways.walk_ms[way])))
    return mask
