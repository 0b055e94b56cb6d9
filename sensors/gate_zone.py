"""A part of the picture that is counted into and out of. Pure geometry, standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from sensors.gate_line import BadLine

Point = tuple[float, float]

LEAST_AREA = 0.001
"""Share of the picture below which a zone is a slip of the hand."""

MOST_CORNERS = 20


@dataclass(frozen=True)
class Zone:
    """A polygon in fractions of the picture; its last corner is joined to the first. `in` is into it."""

    corners: tuple[Point, ...]

    def __post_init__(self) -> None:
        if not 3 <= len(self.corners) <= MOST_CORNERS:
            raise BadLine(f"The zone {self} has {len(self.corners)} corners: give 3 to {MOST_CORNERS}.")
        if not all(math.isfinite(part) and 0 <= part <= 1 for corner in self.corners for part in corner):
            raise BadLine(f"The zone {self} lies outside the picture: give fractions from 0 to 1.")
        if _crosses_itself(self.corners):
            raise BadLine(f"The zone {self} crosses itself: give its corners in the order of a walk round it.")
        if _area(self.corners) < LEAST_AREA:
            raise BadLine(f"The zone {self} is smaller than a thousandth of the picture: draw it larger.")

    def __str__(self) -> str:
        return ",".join(f"{x:g},{y:g}" for x, y in self.corners)

    @classmethod
    def parse(cls, text: str) -> Zone:
        """Read ``x1,y1,x2,y2,x3,y3…``; raises BadLine."""
        try:
            parts = [float(part) for part in text.split(",")]
        except ValueError:
            parts = []
        if not parts or len(parts) % 2:
            raise BadLine(f"The zone {text!r} is not x1,y1,x2,y2,x3,y3…: give two fractions for each corner.")
        return cls(tuple(zip(parts[::2], parts[1::2], strict=True)))

    @property
    def points(self) -> tuple[Point, ...]:
        return self.corners

    def on(self, width: int, height: int) -> ZoneBorder:
        return ZoneBorder([(x * width, y * height) for x, y in self.corners])


class ZoneBorder:
    """A zone's border in pixels."""

    def __init__(self, corners: Sequence[Point]) -> None:
        self._edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))
        self.most_margin = self._depth(corners) / 3
        """In a zone as small as a person, a margin of the person's would leave no inside."""

    def offset(self, x: float, y: float) -> float:
        """Pixels from the border, positive inside."""
        nearest = min(_distance(edge, x, y) for edge in self._edges)
        return nearest if self._inside(x, y) else -nearest

    def passed_at(self, x: float, y: float) -> bool:
        """Every part of the border counts."""
        return True

    def _inside(self, x: float, y: float) -> bool:
        """Whether a ray to the right leaves the polygon an odd number of times."""
        odd = False
        for (x1, y1), (x2, y2) in self._edges:
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                odd = not odd
        return odd

    def _depth(self, corners: Sequence[Point]) -> float:
        """How far the innermost point is from the border, to a twentieth of the zone's size."""
        xs, ys = zip(*corners, strict=True)
        steps = [(step + 0.5) / 20 for step in range(20)]
        return max(
            self.offset(min(xs) + across * (max(xs) - min(xs)), min(ys) + down * (max(ys) - min(ys)))
            for across in steps
            for down in steps
        )


def _distance(edge: tuple[Point, Point], x: float, y: float) -> float:
    (x1, y1), (x2, y2) = edge
    dx, dy = x2 - x1, y2 - y1
    share = ((x - x1) * dx + (y - y1) * dy) / max(dx * dx + dy * dy, 1e-12)
    share = min(1.0, max(0.0, share))
    return math.hypot(x - x1 - share * dx, y - y1 - share * dy)


def _area(corners: Sequence[Point]) -> float:
    pairs = zip(corners, [*corners[1:], corners[0]], strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / 2


def _crosses_itself(corners: Sequence[Point]) -> bool:
    edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    return any(_cross(one, other) for one, other in combinations(edges, 2))


def _cross(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Whether two edges cut each other, corners that they share left out."""
    (a, b), (c, d) = one, other
    return _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
