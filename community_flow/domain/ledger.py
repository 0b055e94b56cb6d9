"""The gate ledger: bodies that a counting device saw against passages, per gate and direction."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

REACH_MS = 10_000
"""A body and a passage are one crossing when they are at most this far apart."""

STEP_MS = REACH_MS
"""How far apart states are kept."""

NEAR_MS = 2 * REACH_MS
"""Whatever waits at a moment is decided by crossings this young, unless both kinds are among them."""

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


Moments = TypeVar("Moments", int, NDArray[np.int64])


class Waiting(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A crossing that may still find a partner, with the bodies that are left of it."""

    t_ms: int
    source: str
    left: int


class State(msgspec.Struct, frozen=True, array_like=True):
    """What waits at a moment: crossings of one kind, at most REACH_MS old. Matching goes on from it."""

    kind: Literal["count", "party"]
    waiting: tuple[Waiting, ...]


def step_after(t_ms: Moments) -> Moments:
    """The first moment after ``t_ms`` of which a state is kept. A crossing waits at that one or at none."""
    return t_ms - t_ms % STEP_MS + STEP_MS


@dataclass(slots=True)
class Settled:
    """What found no partner, and what waited at each step."""

    unmatched: list[Unmatched]
    waiting: dict[int, State]


def reconcile(counts: Sequence[Count], parties: Sequence[Party]) -> Settled:
    """Settle crossings of one gate and direction; both sides are sorted by key.

    Single crossings are matched first, the oldest with the oldest. Aggregates then take what passages are left in
    their window, by sums, so an aggregate's surplus names nobody.
    """
    singles = [count for count in counts if count.from_ms is None]
    count_ms, party_ms = [each.t_ms for each in singles], [each.t_ms for each in parties]
    left_counts, left_parties = [each.n for each in singles], [each.n for each in parties]
    pairs = match(count_ms, left_counts, party_ms, left_parties)
    waiting = _waiting(singles, parties, left_counts, left_parties, pairs)
    found = [surplus(count, left) for count, left in zip(singles, left_counts, strict=True) if left]
    for count in counts:
        if count.from_ms is not None:
            left = absorb((count.from_ms, count.t_ms), count.n, party_ms, left_parties)
            found += [surplus(count, left)] if left else []
    pairs_left = zip(parties, left_parties, strict=True)
    found += [turned_back(party, left) for party, left in pairs_left if left and party.watched]
    return Settled(sorted(found, key=lambda each: (each.key, each.kind)), waiting)


def _waiting(
    counts: Sequence[Count], parties: Sequence[Party], left_counts: list[int], left_parties: list[int],
    pairs: Sequence[tuple[int, int, int]],
) -> dict[int, State]:  # fmt: skip
    """Step → what waited then, of all that came before."""
    # What was taken off only by a partner that came after a step still waited at that step.
    late_counts, late_parties = left_counts.copy(), left_parties.copy()
    for i, j, taken in pairs:
        count_ms, party_ms = counts[i].t_ms, parties[j].t_ms
        late_counts[i] += taken * (party_ms >= step_after(count_ms))
        late_parties[j] += taken * (count_ms >= step_after(party_ms))
    waiting: dict[int, State] = {}
    _gather(waiting, "count", counts, late_counts)
    _gather(waiting, "party", parties, late_parties)
    return waiting


def _gather(
    waiting: dict[int, State], kind: Literal["count", "party"], rows: Sequence[Count | Party], left: Sequence[int]
) -> None:
    found: dict[int, list[Waiting]] = {}
    for row, bodies in zip(rows, left, strict=True):
        if bodies:
            found.setdefault(step_after(row.t_ms), []).append(Waiting(row.t_ms, row.source, bodies))
    waiting.update({step_ms: State(kind, tuple(each)) for step_ms, each in found.items()})


def is_kept(step_ms: int, count_ms: Sequence[int], party_ms: Sequence[int]) -> bool:
    """Whether a state must be kept: without both kinds shortly before, all that came in the last REACH_MS waits."""
    return all(bisect_left(times, step_ms) > bisect_left(times, step_ms - NEAR_MS) for times in (count_ms, party_ms))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(State).decode


def state_text(state: State) -> str:
    return _encode(state).decode()


def state_of(text: str) -> State:
    return _decode(text)


def match(
    count_ms: Sequence[int], left_counts: list[int], party_ms: Sequence[int], left_parties: list[int]
) -> list[tuple[int, int, int]]:
    """Take single crossings off both sides: two pointers; of two heads too far apart the older is passed over.

    Gives (count, party, bodies) of each pair. The pairs of crossings before a moment do not depend on what comes after.
    """
    pairs = []
    i = j = 0
    while i < len(left_counts) and j < len(left_parties):
        apart_ms = count_ms[i] - party_ms[j]
        if -REACH_MS <= apart_ms <= REACH_MS:
            taken = min(left_counts[i], left_parties[j])
            left_counts[i] -= taken
            left_parties[j] -= taken
            pairs.append((i, j, taken))
        if left_counts[i] == 0 or apart_ms < -REACH_MS:
            i += 1
        if left_parties[j] == 0 or apart_ms > REACH_MS:
            j += 1
    return pairs


def absorb(span_ms: tuple[int, int], n: int, party_ms: Sequence[int], left_parties: list[int]) -> int:
    """Take unmatched passages in an aggregate's window, oldest first; gives the bodies that remain."""
    place = bisect_left(party_ms, span_ms[0] - REACH_MS)
    while n and place < len(party_ms) and party_ms[place] <= span_ms[1] + REACH_MS:
        taken = min(n, left_parties[place])
        left_parties[place] -= taken
        n -= taken
        place += 1
    return n


def surplus(count: Count, left: int) -> Unmatched:
    return Unmatched(count.key, SURPLUS, count.t_ms, count.from_ms, left, count.source)


def turned_back(party: Party, left: int) -> Unmatched:
    return Unmatched(party.key, TURNED_BACK, party.t_ms, None, left, party.source)
