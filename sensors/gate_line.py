"""The line that is counted over, and what of a track's path is a crossing. Pure geometry, standard library only.

`in` is over to the right-hand side of someone who walks from the line's first point to its second, as seen in the
picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

Direction = Literal["in", "out"]

MARGIN = 0.15
"""Share of a box's width that its centre must be beyond the line before the side counts: detectors jitter by less."""

BORN = 0.05
"""The same for a track's first sight: somebody who appears right on the line came from nobody knows where."""

TURN_S = 10.0
"""Someone who crosses and is back within this time turned round at the gate."""


class BadLine(ValueError):
    """A line that cannot be counted over; the message names the remedy."""


@dataclass(frozen=True)
class Line:
    """Two points in fractions of the picture, (0, 0) being its top left corner."""

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        parts = (self.x1, self.y1, self.x2, self.y2)
        if not all(math.isfinite(part) and 0 <= part <= 1 for part in parts):
            raise BadLine(f"The line {self} lies outside the picture: give four fractions from 0 to 1, as 0.5,0,0.5,1.")
        if math.hypot(self.x2 - self.x1, self.y2 - self.y1) < 0.02:
            raise BadLine(f"The line {self} is shorter than 2 % of the picture: draw it across the whole way through.")

    def __str__(self) -> str:
        return f"{self.x1:g},{self.y1:g},{self.x2:g},{self.y2:g}"

    @classmethod
    def parse(cls, text: str) -> Line:
        """Read ``x1,y1,x2,y2``; raises BadLine."""
        try:
            x1, y1, x2, y2 = (float(part) for part in text.split(","))
        except ValueError:
            raise BadLine(f"The line {text!r} is not x1,y1,x2,y2: give four fractions, as 0.5,0,0.5,1.") from None
        return cls(x1, y1, x2, y2)

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        return (self.x1, self.y1), (self.x2, self.y2)

    def on(self, width: int, height: int) -> LineBorder:
        return LineBorder(self, width, height)


class Border(Protocol):
    """What has an inner and an outer side, in pixels of a picture."""

    most_margin: float

    def offset(self, x: float, y: float) -> float:
        """Pixels from the border, positive on the inner side."""
        ...

    def passed_at(self, x: float, y: float) -> bool:
        """Whether going over at this point of it counts."""
        ...


class Shape(Protocol):
    """A line or a zone, in fractions of the picture."""

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """Its ends or corners."""
        ...

    def on(self, width: int, height: int) -> Border: ...


class LineBorder:
    """A line in pixels; beyond its ends nothing counts."""

    most_margin = math.inf

    def __init__(self, line: Line, width: int, height: int) -> None:
        # Always reckoned from the same end: whichever way a line was drawn, rounding falls alike on both sides.
        (x1, y1), (x2, y2) = sorted(((line.x1, line.y1), (line.x2, line.y2)))
        self._sign = 1 if (x1, y1) == (line.x1, line.y1) else -1
        self._x1, self._y1 = x1 * width, y1 * height
        self._dx, self._dy = (x2 - x1) * width, (y2 - y1) * height
        self._length = math.hypot(self._dx, self._dy)

    def offset(self, x: float, y: float) -> float:
        """Positive on the right-hand side (the picture's y points down)."""
        return self._sign * (self._dx * (y - self._y1) - self._dy * (x - self._x1)) / self._length

    def passed_at(self, x: float, y: float) -> bool:
        along = (x - self._x1) * self._dx + (y - self._y1) * self._dy
        return 0 <= along <= self._length**2


@dataclass(frozen=True)
class Crossing:
    """Someone's centre went over the line. ``turned`` says that the same track came back over it soon after."""

    t_s: float
    direction: Direction
    confidence: float
    track: int
    turned: bool = False


@dataclass
class _Path:
    """What the line knows of one track, for the track's whole life."""

    t_s: float
    x: float
    y: float
    offset: float
    side: int = 0
    net: int = 0
    cut_s: float = 0.0
    last_s: float = -math.inf


class GateLine:
    """Counts tracks over a line or into a zone, with hysteresis.

    A track belongs to a side once its centre is beyond the margin, and for good until it is beyond the margin of the
    other. It crossed when its path cut the segment itself on the way; round the end of the line is no crossing.
    """

    def __init__(self, shape: Shape, width: int, height: int) -> None:
        self._border = shape.on(width, height)
        self._paths: dict[int, _Path] = {}

    def forget(self, track: int) -> None:
        """The track is over; its number will not come again."""
        self._paths.pop(track, None)

    def update(self, track: int, t_s: float, x: float, y: float, width: float, confidence: float) -> Crossing | None:
        """The centre of a confirmed track's box at ``t_s``; a crossing when this step completes one."""
        offset = self._border.offset(x, y)
        path = self._paths.get(track)
        if path is None:
            self._paths[track] = _Path(t_s, x, y, offset, side=self._side(offset, BORN * width))
            return None
        self._note_cut(path, t_s, x, y, offset)
        path.t_s, path.x, path.y, path.offset = t_s, x, y, offset
        return self._settle(path, track, self._side(offset, MARGIN * width), confidence)

    def _settle(self, path: _Path, track: int, side: int, confidence: float) -> Crossing | None:
        if side in (0, path.side):
            if side:
                path.net = 0  # back where it was: whatever it cut meanwhile, it did not go over
            return None
        begun, over = path.side, path.net
        path.net, path.side = 0, side
        if over == 0 or begun == 0:
            return None
        turned = path.cut_s - path.last_s <= TURN_S
        path.last_s = path.cut_s
        return Crossing(path.cut_s, "in" if side > 0 else "out", confidence, track, turned)

    def _note_cut(self, path: _Path, t_s: float, x: float, y: float, offset: float) -> None:
        """Remember when this step cut the border; interpolated, because a walker is between two samples then."""
        if (path.offset < 0) == (offset < 0):
            return
        share = path.offset / (path.offset - offset)
        if self._border.passed_at(path.x + share * (x - path.x), path.y + share * (y - path.y)):
            path.net += 1 if offset >= 0 else -1
            path.cut_s = path.t_s + share * (t_s - path.t_s)

    def _side(self, offset: float, margin: float) -> int:
        """Which side is beyond doubt: 1 inner (right of a line), -1 outer, 0 neither."""
        if abs(offset) <= min(margin, self._border.most_margin):
            return 0
        return 1 if offset > 0 else -1
