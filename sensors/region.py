"""Where in the picture it is worth looking: round the line, and only when something moves there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensors.frames import Picture
from sensors.gate_line import Shape
from sensors.shrink import shrunk

ROOM = 0.5
"""The region reaches from the line by this share of the picture's short side, so that bodies stay whole near it."""

WORTH = 0.8
"""A region that is not smaller than this share of the picture is not worth cutting."""


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, picture: Picture) -> Picture:
        return picture[self.top : self.bottom, self.left : self.right]


def round_shapes(shapes: Sequence[Shape], width: int, height: int) -> Region:
    """The part of a picture that is looked at for all of ``shapes``."""
    room = ROOM * min(width, height)
    xs, ys = zip(*(point for each in shapes for point in each.points), strict=True)
    left, right = max(0, min(xs) * width - room), min(width, max(xs) * width + room)
    top, bottom = max(0, min(ys) * height - room), min(height, max(ys) * height + room)
    if (right - left) * (bottom - top) > WORTH * width * height:
        return Region(0, 0, width, height)
    return Region(int(left), int(top), math.ceil(right), math.ceil(bottom))


class Stillness:
    """Tells cheaply whether anything moved: grey, 160 wide, against the picture before and against a slow mean."""

    WIDE = 160
    STEP = 12
    """Grey levels that noise does not reach after shrinking."""
    LEAST = 0.0005
    """Share of pixels that must have changed: a person of 1/40 of the picture's width."""

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2
        self._before: Any = None
        self._mean: Any = None

    def moved(self, picture: Picture) -> bool:
        """Whether ``picture`` differs from what was seen so far; the first one has nothing to differ from."""
        cv2 = self._cv2
        ratio = min(1.0, self.WIDE / picture.shape[1])
        size = (max(1, round(picture.shape[1] * ratio)), max(1, round(picture.shape[0] * ratio)))
        small = cv2.cvtColor(shrunk(picture, *size), cv2.COLOR_BGR2GRAY)
        before, self._before = self._before, small
        if before is None or before.shape != small.shape:
            self._mean = small.astype(np.float32)
            return False
        changed = self._share(small, before) or self._share(small, cv2.convertScaleAbs(self._mean))
        cv2.accumulateWeighted(small, self._mean, 0.1)
        return changed

    def _share(self, small: Any, other: Any) -> bool:
        _, over = self._cv2.threshold(self._cv2.absdiff(small, other), self.STEP, 1, self._cv2.THRESH_BINARY)
        return bool(self._cv2.countNonZero(over) >= max(2.0, self.LEAST * over.size))
