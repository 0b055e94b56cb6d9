"""The line that is counted over, and what of a track's path is a crossing. Pure geometry, standard library only.

`in` is over to the right-hand side of someone who walks from the line's first point to its second, as seen in the
picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

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
    """Counts tracks over a line given in pixels, with hysteresis.

    A track belongs to a side once its centre is beyond the margin, and for good until it is beyond the margin of the
    other. It crossed when its path cut the segment itself on the way; round the end of the line is no crossing.
    """

    def __init__(self, line: Line, width: int, height: int) -> None:
        self._x1, self._y1 = line.x1 * width, line.y1 * height
        self._dx, self._dy = (line.x2 - line.x1) * width, (line.y2 - line.y1) * height
        self._length = math.hypot(self._dx, self._dy)
        self._paths: dict[int, _Path] = {}

    def forget(self, track: int) -> None:
        """The track is over; its number will not come again."""
        self._paths.pop(track, None)

    def update(self, track: int, t_s: float, x: float, y: float, width: float, confidence: float) -> Crossing | None:
        """The centre of a confirmed track's box at ``t_s``; a crossing when this step completes one."""
        offset = self._offset(x, y)
        path = self._paths.get(track)
        if path is None:
            self._paths[track] = _Path(t_s, x, y, offset, side=_side(offset, BORN * width))
            return None
        self._note_cut(path, t_s, x, y, offset)
        path.t_s, path.x, path.y, path.offset = t_s, x, y, offset
        return self._settle(path, track, _side(offset, MARGIN * width), confidence)

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
        """Remember when this step cut the segment; interpolated, because a walker is between two samples then."""
        if (path.offset < 0) == (offset < 0):
            return
        share = path.offset / (path.offset - offset)
        cut_x, cut_y = path.x + share * (x - path.x), path.y + share * (y - path.y)
        along = (cut_x - self._x1) * self._dx + (cut_y - self._y1) * self._dy
        if 0 <= along <= self._length**2:
            path.net += 1 if offset >= 0 else -1
            path.cut_s = path.t_s + share * (t_s - path.t_s)

    def _offset(self, x: float, y: float) -> float:
        """Pixels from the line, positive on the right-hand side (the picture's y points down)."""
        return (self._dx * (y - self._y1) - self._dy * (x - self._x1)) / self._length


def _side(offset: float, margin: float) -> int:
    """Which side is beyond doubt: 1 right, -1 left, 0 neither."""
    if abs(offset) <= margin:
        return 0
    return 1 if offset > 0 else -1
