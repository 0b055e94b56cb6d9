"""Stretches of event time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
"""First and last event time, both included."""

_first = itemgetter(0)


def joined(spans: Iterable[Span], apart_ms: int = 0) -> list[Span]:
    """What these cover, in the order of time; those at most ``apart_ms`` apart are one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + apart_ms:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def around(spans: Sequence[Span], t_ms: int) -> Span | None:
    """The one of these, joined ones, that holds a moment."""
    place = bisect_right(spans, t_ms, key=_first) - 1
    return spans[place] if place >= 0 and t_ms <= spans[place][1] else None
