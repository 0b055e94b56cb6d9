"""The gate ledger: bodies that a counting device saw against passages, per gate and direction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

REACH_MS = 10_000
"""A body and a passage are one crossing when they are at most this far apart."""

SURPLUS = "surplus"
TURNED_BACK = "turned_back"


class Count(msgspec.Struct, frozen=True, gc=False):
    """Bodies seen by the gate's counting device: at ``t_ms``, or between ``from_ms`` and ``t_ms`` (an aggregate)."""

    key: bytes
    t_ms: int
    source: str
    n: int
    from_ms: int | None = None


class Party(msgspec.Struct, frozen=True, gc=False):
    """The bodies of one passage. ``watched``: a counting device should have seen them."""

    key: bytes
    t_ms: int
    source: str
    n: int
    watched: bool = True


class Unmatched(msgspec.Struct, frozen=True, gc=False):
    """Bodies without a passage (surplus), or passages without a body (turned back)."""

    key: bytes
    kind: str
    at_ms: int
    from_ms: int | None
    n: int
    source: str


def reconcile(counts: Sequence[Count], parties: Sequence[Party]) -> list[Unmatched]:
    """What found no partner; both sides sorted by key, of one gate and direction.

    Single crossings are matched first, the oldest with the oldest. Aggregates then take what passages are left in
    their window, by sums, so an aggregate's surplus names nobody.
    """
    singles = [count for count in counts if count.from_ms is None]
    aggregates = [count for count in counts if count.from_ms is not None]
    left_counts, left_parties = _pair(singles, parties)
    found = [_surplus(count, left) for count, left in zip(singles, left_counts, strict=True) if left]
    for aggregate in aggregates:
        left = _absorb(aggregate, parties, left_parties)
        if left:
            found.append(_surplus(aggregate, left))
    found += [
        Unmatched(party.key, TURNED_BACK, party.t_ms, None, left, party.source)
        for party, left in zip(parties, left_parties, strict=True)
        if left and party.watched
    ]
    return sorted(found, key=lambda each: (each.key, each.kind))


def _pair(counts: Sequence[Count], parties: Sequence[Party]) -> tuple[list[int], list[int]]:
    """How many bodies stay without a partner: two pointers; of two heads too far apart the older is passed over."""
    left_counts, left_parties = [count.n for count in counts], [party.n for party in parties]
    i = j = 0
    while i < len(counts) and j < len(parties):
        apart_ms = counts[i].t_ms - parties[j].t_ms
        if abs(apart_ms) <= REACH_MS:
            matched = min(left_counts[i], left_parties[j])
            left_counts[i] -= matched
            left_parties[j] -= matched
        if left_counts[i] == 0 or apart_ms < -REACH_MS:
            i += 1
        if left_parties[j] == 0 or apart_ms > REACH_MS:
            j += 1
    return left_counts, left_parties


def _absorb(aggregate: Count, parties: Sequence[Party], left_parties: list[int]) -> int:
    """Take unmatched passages in the aggregate's window, oldest first; gives the bodies that remain."""
    assert aggregate.from_ms is not None
    remaining = aggregate.n
    for place, party in enumerate(parties):
        if aggregate.from_ms - REACH_MS <= party.t_ms <= aggregate.t_ms + REACH_MS:
            taken = min(remaining, left_parties[place])
            left_parties[place] -= taken
            remaining -= taken
    return remaining


def _surplus(count: Count, left: int) -> Unmatched:
    return Unmatched(count.key, SURPLUS, count.t_ms, count.from_ms, left, count.source)


def quiet_around(spans: Iterable[tuple[int, int]], lo_ms: int, hi_ms: int) -> tuple[int, int]:
    """The least stretch around [lo_ms, hi_ms] that no crossing reaches across: what lies outside cannot change it.

    ``spans`` are (start, end) of single crossings, passages and aggregates; a longer silence than REACH_MS on either
    side cuts the ledger into parts that are settled alone.
    """
    known = list(spans)
    while True:
        start_ms, end_ms = _grown_down(known, lo_ms), _grown_up(known, hi_ms)
        if (start_ms, end_ms) == (lo_ms, hi_ms):
            return lo_ms, hi_ms
        # An aggregate that reaches in from one side may also reach out on the other.
        reaching = [span for span in known if span[0] <= end_ms + REACH_MS and span[1] >= start_ms - REACH_MS]
        lo_ms = min(start_ms, *(start for start, _ in reaching))
        hi_ms = max(end_ms, *(end for _, end in reaching))


def _grown_down(spans: list[tuple[int, int]], lo_ms: int) -> int:
    for start, end in sorted(spans, key=lambda span: span[1], reverse=True):
        if end < lo_ms - REACH_MS:
            break
        lo_ms = min(lo_ms, start) if start < lo_ms else lo_ms
    return lo_ms


def _grown_up(spans: list[tuple[int, int]], hi_ms: int) -> int:
    for start, end in sorted(spans):
        if start > hi_ms + REACH_MS:
            break
        hi_ms = max(hi_ms, end)
    return hi_ms
