"""The gate ledger of a whole community: counts as arrays, settled from silence to silence."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from community_flow.domain.bulk_columns import Codes, Codes32, Ints, Mask, Sources, ranked
from community_flow.domain.ledger import (
    NEAR_MS,
    REACH_MS,
    SURPLUS,
    State,
    Unmatched,
    Waiting,
    absorb,
    match,
    state_text,
    step_after,
)
from community_flow.domain.passages import Triple
from community_flow.domain.rulebook import GateRule, Rulebook

COUNT_ROW = ("t_ms", "device", "boot", "seq", "gate", "direction", "n", "from_ms", "replaces")
"""``from_ms`` is event time, like t_ms; ``replaces`` is (boot, from, to) or None."""

SINGLE = -1
"""In an array of ``from_ms``: no aggregate."""

AT_ONCE = 20_000
"""Crossings settled together, at least; a stretch without silence is never cut."""

Side: TypeAlias = tuple[str, str]
Range: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Stands:
    """An aggregate stands for counts of the same device, gate and direction."""

    by: Triple
    side: Side
    replaces: Range

    def reach(self) -> tuple[int, int]:
        """First and last seq: within one boot an aggregate stands for earlier reports only, never for itself."""
        boot, first, last = self.replaces
        return first, min(last, self.by[2] - 1) if boot == self.by[1] else last


@dataclass(slots=True)
class SideCounts:
    """Counts of one gate and direction, in key order."""

    t_ms: Ints
    source: Codes32
    seq: Ints
    n: Ints
    from_ms: Ints
    sources: Sources

    @property
    def start_ms(self) -> Ints:
        found: Ints = np.where(self.from_ms == SINGLE, self.t_ms, np.minimum(self.from_ms, self.t_ms))
        return found

    def only(self, rows: Mask) -> SideCounts:
        return SideCounts(
            self.t_ms[rows], self.source[rows], self.seq[rows], self.n[rows], self.from_ms[rows], self.sources
        )

    def surplus(self, left: Ints) -> Iterator[Unmatched]:
        """What remains of each count."""
        rows = np.flatnonzero(left)
        columns = zip(
            self.sources.keys_of(self.t_ms[rows], self.source[rows], self.seq[rows]), self.t_ms[rows].tolist(),
            self.from_ms[rows].tolist(), left[rows].tolist(),
            self.sources.ids_of(self.source[rows], self.seq[rows]), strict=True,
        )  # fmt: skip
        for key, t_ms, from_ms, n, identity in columns:
            yield Unmatched(key, SURPLUS, t_ms, None if from_ms == SINGLE else from_ms, n, identity)


class CountColumns:
    """Collects rows, chunk by chunk."""

    def __init__(self) -> None:
        self._sources: Codes[Any] = Codes()
        self._sides: Codes[Any] = Codes()
        self._chunks: list[tuple[NDArray[Any], ...]] = []
        self.stands: list[Stands] = []

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Rows of COUNT_ROW."""
        sources, sides, count = self._sources, self._sides, len(rows)
        self._chunks.append(
            (
                np.fromiter((row[0] for row in rows), np.int64, count),
                np.fromiter((sources[row[1:3]] for row in rows), np.int32, count),
                np.fromiter((row[3] for row in rows), np.int64, count),
                np.fromiter((sides[row[4:6]] for row in rows), np.int32, count),
                np.fromiter((row[6] for row in rows), np.int64, count),
                np.fromiter((SINGLE if row[7] is None else row[7] for row in rows), np.int64, count),
            )
        )
        stands = (Stands((row[1], row[2], row[3]), (row[4], row[5]), row[8]) for row in rows if row[8] is not None)
        self.stands.extend(stands)

    def sides(self, rules: Rulebook) -> dict[Side, SideCounts]:
        """Of each gate and direction the counts of its counting device that no aggregate stands for."""
        if not self._chunks:
            return {}
        sources, ranks = ranked(self._sources)
        t_ms, source, seq, side, n, from_ms = (np.concatenate(column) for column in zip(*self._chunks, strict=True))
        self._chunks.clear()
        source = ranks[source]
        order = np.lexsort((seq, source, t_ms, side))
        cuts = np.searchsorted(side[order], np.arange(len(self._sides) + 1))
        found = {}
        for name, code in self._sides.items():
            rows = order[cuts[code] : cuts[code + 1]]
            counts = SideCounts(t_ms[rows], source[rows], seq[rows], n[rows], from_ms[rows], sources)
            found[name] = counts.only(_by_counter(counts, rules, name[0]) & ~_replaced(counts, self.stands, name))
        return found


def _by_counter(counts: SideCounts, rules: Rulebook, gate: str) -> Mask:
    """Counts of the gate's one counting device, where the journal names one."""
    devices: Codes[str] = Codes()
    code = np.array([devices[device] for device, _ in counts.sources.pairs], np.int64)[counts.source]

    def own(rule: GateRule | None) -> int:
        return -1 if rule is None or rule.counter is None else devices[rule.counter]

    wanted = at_gate(counts.t_ms, rules, gate, own)
    found: Mask = (wanted < 0) | (wanted == code)
    return found


def at_gate(t_ms: Ints, rules: Rulebook, gate: str, asked: Callable[[GateRule | None], int]) -> Ints:
    """A number that the gate's rule gives, as of each moment."""
    epoch = np.searchsorted(np.array(rules.epochs, np.int64), t_ms, side="right")
    _, first, place = np.unique(epoch, return_index=True, return_inverse=True)
    return np.array([asked(rules.places(t).gates.get(gate)) for t in t_ms[first].tolist()], np.int64)[place]


def _replaced(counts: SideCounts, stands: Iterable[Stands], side: Side) -> Mask:
    replaced = np.zeros(len(counts.t_ms), bool)
    codes = {pair: code for code, pair in enumerate(counts.sources.pairs)}
    for source, (firsts, lasts) in _reaches(stands, side).items():
        rows: Ints = np.flatnonzero(counts.source == codes.get(source, -1))
        for row in rows:
            place = bisect_right(firsts, int(counts.seq[row])) - 1
            replaced[row] = place >= 0 and int(counts.seq[row]) <= lasts[place]
    return replaced


def _reaches(stands: Iterable[Stands], side: Side) -> dict[tuple[str, int], tuple[list[int], list[int]]]:
    """(device, boot) → first and last seqs of disjoint stretches that aggregates stand for, ascending."""
    found: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for each in stands:
        if each.side == side:
            found[each.by[0], each.replaces[0]].append(each.reach())
    return {source: _joined(spans) for source, spans in found.items()}


def _joined(spans: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted(spans):
        if last < first:
            continue
        if lasts and first <= lasts[-1] + 1:
            lasts[-1] = max(lasts[-1], last)
        else:
            firsts.append(first)
            lasts.append(last)
    return firsts, lasts


@dataclass(slots=True)
class SideSettled:
    """Bodies without a partner, of each count and of each passage, and bodies that waited at the step after each."""

    left_counts: Ints
    left_parties: Ints
    late_counts: Ints
    late_parties: Ints

    @classmethod
    def of_nothing(cls, counts: Ints, parties: Ints) -> SideSettled:
        return cls(counts.copy(), parties.copy(), counts.copy(), parties.copy())


def settle(counts: SideCounts | None, party_ms: Ints, parties: Ints) -> SideSettled:
    """Both sides are in key order."""
    if counts is None:
        return SideSettled.of_nothing(np.empty(0, np.int64), parties)
    found = SideSettled.of_nothing(counts.n, parties)
    starts, ends = np.concatenate([counts.start_ms, party_ms]), np.concatenate([counts.t_ms, party_ms])
    for from_ms, before_ms in _stretches(starts, ends):
        mine = slice(*np.searchsorted(counts.t_ms, [from_ms, before_ms]))
        theirs = slice(*np.searchsorted(party_ms, [from_ms, before_ms]))
        _settle_stretch(counts, party_ms, mine, theirs, found)
    return found


def _settle_stretch(counts: SideCounts, party_ms: Ints, mine: slice, theirs: slice, found: SideSettled) -> None:
    rows = np.arange(mine.start, mine.stop)
    single = counts.from_ms[mine] == SINGLE
    singles, aggregates = rows[single], rows[~single]
    times, left = party_ms[theirs], found.left_parties[theirs].tolist()
    alone = counts.n[singles].tolist()
    pairs = match(counts.t_ms[singles].tolist(), alone, times.tolist(), left)
    found.left_counts[singles] = alone
    found.late_counts[singles] = alone
    found.late_parties[theirs] = left
    found.late_counts[aggregates] = 0
    if pairs:
        one, other, taken = np.array(pairs, np.int64).T
        met_ms = np.maximum(counts.t_ms[singles][one], times[other])
        late = met_ms >= step_after(counts.t_ms[singles][one])
        np.add.at(found.late_counts, singles[one[late]], taken[late])
        late = met_ms >= step_after(times[other])
        np.add.at(found.late_parties, theirs.start + other[late], taken[late])
    times_listed = times.tolist()
    for row in aggregates.tolist():
        span = int(counts.from_ms[row]), int(counts.t_ms[row])
        found.left_counts[row] = absorb(span, int(counts.n[row]), times_listed, left)
    found.left_parties[theirs] = left


def states_of(
    counts: SideCounts, party_ms: Ints, found: SideSettled, party_ids: Callable[[Ints], list[str]]
) -> Iterator[tuple[int, str]]:
    """(step, state) wherever one must be kept. ``party_ids`` names passages by their places."""
    single_ms = counts.t_ms[counts.from_ms == SINGLE]
    rows = np.flatnonzero(found.late_counts)
    rows = rows[_kept(counts.t_ms[rows], single_ms, party_ms)]
    ids = counts.sources.ids_of(counts.source[rows], counts.seq[rows])
    yield from _states("count", counts.t_ms[rows], ids, found.late_counts[rows])
    rows = np.flatnonzero(found.late_parties)
    rows = rows[_kept(party_ms[rows], single_ms, party_ms)]
    yield from _states("party", party_ms[rows], party_ids(rows), found.late_parties[rows])


def _kept(t_ms: Ints, count_ms: Ints, party_ms: Ints) -> Mask:
    """`ledger.is_kept` of the step after each moment."""
    step_ms = step_after(t_ms)
    found = np.ones(len(t_ms), bool)
    for times in (count_ms, party_ms):
        found &= np.searchsorted(times, step_ms) > np.searchsorted(times, step_ms - NEAR_MS)
    return found


def _states(kind: Literal["count", "party"], t_ms: Ints, ids: Sequence[str], left: Ints) -> Iterator[tuple[int, str]]:
    rows = map(Waiting, t_ms.tolist(), ids, left.tolist())
    for step_ms, waiting in groupby(rows, key=lambda each: step_after(each.t_ms)):
        yield step_ms, state_text(State(kind, tuple(waiting)))


def _stretches(starts: Ints, ends: Ints) -> Iterator[tuple[int, int]]:
    """[from, before) of stretches that nothing reaches across, each of AT_ONCE crossings or more."""
    if not len(starts):
        return
    order = np.argsort(starts, kind="stable")
    starts, reached = starts[order], np.maximum.accumulate(ends[order])
    quiet = np.flatnonzero(starts[1:] > reached[:-1] + REACH_MS) + 1
    taken = 0
    for cut in quiet.tolist():
        if cut - taken >= AT_ONCE:
            yield int(starts[taken]), int(starts[cut])
            taken = cut
    yield int(starts[taken]), int(reached[-1]) + 1
