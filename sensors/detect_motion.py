"""People by what moved (MOG2 on a small picture): for steep views and for boxes without a model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sensors.boxes import Boxes
from sensors.frames import Picture
from sensors.shrink import shrunk

WIDE = 320
"""Width that the picture is shrunk to: 240 is cheaper but loses people at 5 m."""

LEAST_AREA = 0.004
"""Smallest person, as a share of the small picture's area."""

WARM_UP = 5


class MotionDetector:
    """Blobs of foreground. Merges people who touch and absorbs people who stand still: use YOLOX where they do."""

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2
        self._background = cv2.createBackgroundSubtractorMOG2(history=300, varThreshold=25, detectShadows=True)
        self._open = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
        self._close = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 11))
        self._frames = 0

    def find(self, picture: Picture) -> Boxes:
        """Moving blobs of a person's size; the first frames only teach the background."""
        height, width = picture.shape[:2]
        ratio = min(1.0, WIDE / width)
        size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        small = shrunk(picture, *size)
        mask = self._background.apply(small)
        self._frames += 1
        if self._frames <= WARM_UP:
            return Boxes.none()
        return self._blobs(self._cleaned(mask), size[0] * size[1] * LEAST_AREA, ratio)

    def _cleaned(self, mask: Picture) -> Picture:
        """Without shadows and specks, with a body's parts joined."""
        cv2 = self._cv2
        _, solid = cv2.threshold(mask, 200, 255, cv2.THRESH_BINARY)
        opened = cv2.morphologyEx(solid, cv2.MORPH_OPEN, self._open)
        return cv2.morphologyEx(opened, cv2.MORPH_CLOSE, self._close)

    def _blobs(self, mask: Picture, least: float, ratio: float) -> Boxes:
        count, _, stats, _ = self._cv2.connectedComponentsWithStats(mask)
        if count > 200 or stats[1:, 4].sum() > 0.7 * mask.size:
            return Boxes.none()  # the light changed, not the people
        left, top, wide, high, area = stats[1:].T.astype(np.float32)
        parts = [
            Part(*row) for row in zip(left, top, left + wide, top + high, area, strict=True) if row[4] >= least / 4
        ]
        bodies = [part for part in joined(parts) if part.area >= least]
        corners = np.array([part[:4] for part in bodies], np.float32).reshape(-1, 4) / np.float32(ratio)
        scores = [
            min(0.95, 0.4 + part.area / max((part.right - part.left) * (part.bottom - part.top), 1) / 2)
            for part in bodies
        ]
        return Boxes(corners, np.array(scores, np.float32))


class Part(NamedTuple):
    """A blob: its rectangle and how many of its pixels moved."""

    left: float
    top: float
    right: float
    bottom: float
    area: float

    def with_part(self, other: Part) -> Part:
        return Part(
            min(self.left, other.left), min(self.top, other.top),
            max(self.right, other.right), max(self.bottom, other.bottom), self.area + other.area,
        )  # fmt: skip


def joined(parts: list[Part]) -> list[Part]:
    """Heads put back on bodies: parts above each other that make one upright figure are one.

    A coat in the colour of the ground leaves a head and legs, and two tracks would cross the line then.
    """
    found: list[Part] = []
    for part in sorted(parts, key=lambda part: part.top):
        above = next((other for other in found if _one_figure(other, part)), None)
        if above is not None:
            found.remove(above)
            part = above.with_part(part)  # noqa: PLW2901 - the part grows into its figure
        found.append(part)
    return found


def _one_figure(above: Part, below: Part) -> bool:
    both = above.with_part(below)
    shared = min(above.right, below.right) - max(above.left, below.left)
    narrow = min(above.right - above.left, below.right - below.left)
    high, wide = both.bottom - both.top, both.right - both.left
    near = below.top - above.bottom <= 0.35 * high
    return near and shared >= 0.6 * narrow and 1.5 * wide <= high <= 4.5 * wide
