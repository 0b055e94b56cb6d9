"""Which counts an aggregate stands for. A box that was away for a day brings thousands of aggregates, and each count is
asked for more than once: so it is found by its number, not by looking at all of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from community_flow.domain.passages import Triple
from community_flow.ports.flow import Replacement


@dataclass(slots=True)
class _Boot:
    """Spans of one start of a device by their beginnings, and the furthest end of all up to each."""

    spans: list[Replacement] = field(default_factory=list)
    furthest: list[int] = field(default_factory=list)


class Replacements:
    """Of one gate and direction."""

    def __init__(self, rows: Iterable[Replacement]) -> None:
        self._boots: dict[tuple[str, int], _Boot] = defaultdict(_Boot)
        for each in sorted(rows, key=lambda each: each.from_seq):
            self._boots[each.by[0], each.boot].spans.append(each)
        for boot in self._boots.values():
            boot.furthest = list(accumulate((each.to_seq for each in boot.spans), max))

    def holds(self, triple: Triple) -> bool:
        """Whether some aggregate stands for this count. Spans may lie across each other."""
        device, number, seq = triple
        boot = self._boots.get((device, number))
        place = bisect_right(boot.spans, seq, key=lambda each: each.from_seq) - 1 if boot else -1
        while boot and place >= 0 and boot.furthest[place] >= seq:
            if seq <= boot.spans[place].to_seq and _may_replace(boot.spans[place], triple):
                return True
            place -= 1
        return False


def _may_replace(by: Replacement, triple: Triple) -> bool:
    """An aggregate stands for earlier reports only, so it never stands for itself."""
    return by.by[1] != triple[1] or triple[2] < by.by[2]
