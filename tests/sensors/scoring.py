"""How far a count is from the truth, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Event(Protocol):
    @property
    def t_s(self) -> float: ...
    @property
    def direction(self) -> str: ...


def wrong(truth: Sequence[Event], found: Sequence[Event], within_s: float = 2.0) -> int:
    """Crossings missed plus crossings invented; one is found when the direction is right and the time near.

    Someone who stands on the line crosses it at a time that is a matter of taste, hence two seconds.
    """
    left = list(found)
    missed = 0
    for each in truth:
        near = [one for one in left if one.direction == each.direction and abs(one.t_s - each.t_s) <= within_s]
        if near:
            left.remove(min(near, key=lambda one: abs(one.t_s - each.t_s)))
        else:
            missed += 1
    return missed + len(left)
