"""What a device says it counted against what arrived of it. A device tells sums since its start with every status; what
it wrote before that status has arrived by then, because it sends in the order of its numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

NAMES = ("in", "out", "scans", "visitors", "readings")
"""Counters that stand for reports of a kind; others that a device may tell are its own business."""
_OTHERS = {"scan": "scans", "visitor": "visitors", "reading": "readings"}


class Arrived(NamedTuple):
    """One report of the boot that is looked at; for a count its gate, direction and bodies."""

    seq: int
    kind: str
    gate: str | None
    direction: str | None
    n: int | None


class Aggregate(NamedTuple):
    """A count that stands for those of its gate and direction from ``from_seq`` to ``to_seq`` of the boot."""

    gate: str
    direction: str
    n: int
    from_seq: int
    to_seq: int


def arrived_between(
    after_seq: int, before_seq: int, reports: Sequence[Arrived], aggregates: Iterable[Aggregate]
) -> Counter[str] | None:
    """Sums of what lies between two statuses; None when that cannot be told, because an aggregate lies across the
    second. Up to the first everything had arrived: of an aggregate that reaches behind it, that part is known."""
    later = [each for each in aggregates if each.to_seq > after_seq]
    if any(each.from_seq < before_seq < each.to_seq for each in later):
        return None
    within = [each for each in later if each.to_seq < before_seq]
    places, found = _by_side(within), Counter[str]()
    for one in reports:
        if after_seq < one.seq < before_seq and _standing_for(one, places) is None:
            found[counter_name(one.kind, one.direction)] += _bodies(one)
    for each in within:
        found[each.direction] += each.n
    for one in reports:
        if one.seq <= after_seq and (known := _standing_for(one, places)):
            found[known.direction] -= _bodies(one)
    return found


def _by_side(aggregates: Iterable[Aggregate]) -> dict[tuple[str | None, str | None], list[Aggregate]]:
    sides: dict[tuple[str | None, str | None], list[Aggregate]] = {}
    for each in sorted(aggregates, key=lambda each: each.from_seq):
        sides.setdefault((each.gate, each.direction), []).append(each)
    return sides


def _standing_for(one: Arrived, sides: Mapping[tuple[str | None, str | None], Sequence[Aggregate]]) -> Aggregate | None:
    """The aggregate of the same gate and direction whose span holds this count."""
    side = sides.get((one.gate, one.direction), ()) if one.kind == "count" else ()
    place = bisect_right(side, one.seq, key=lambda each: each.from_seq)
    return side[place - 1] if place and one.seq <= side[place - 1].to_seq else None


def differences(
    told: Mapping[str, int], base: Mapping[str, int], arrived: Mapping[str, int], carried: Mapping[str, int]
) -> dict[str, int]:
    """How much more was told than arrived, by counter; less than nothing when more arrived. ``base`` is what had been
    told and had arrived before, ``carried`` what differed already."""
    found = {
        name: told[name] - base.get(name, 0) - arrived.get(name, 0) + carried.get(name, 0)
        for name in NAMES
        if name in told
    }
    return {name: more for name, more in found.items() if more}


def counter_name(kind: str, direction: str | None) -> str:
    return (direction or "") if kind == "count" else _OTHERS.get(kind, kind)


def _bodies(one: Arrived) -> int:
    return (one.n or 0) if one.kind == "count" else 1
