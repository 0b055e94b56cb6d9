"""Boxes of people in a picture, as arrays. NumPy is needed by whoever asks a camera; the package itself is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sensors.frames import Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PART_SCORE = 0.25
FOUND_SHARED, KNOWN_SHARED = 0.5, 0.7
"""Share of its width that one of a pair has in common with the other: two boxes of one picture that share more may be
one person found twice; two who were followed are two."""


@dataclass(frozen=True)
class Boxes:
    """``corners`` (n, 4) left, top, right, bottom in pixels; ``scores`` (n,) from 0 to 1."""

    corners: Floats
    scores: Floats

    @classmethod
    def none(cls) -> Boxes:
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.scores)

    def shifted(self, left: int, top: int) -> Boxes:
        """The same boxes seen from a picture that this one is cut out of."""
        return Boxes(self.corners + np.array([left, top, left, top], np.float32), self.scores)

    def only(self, which: Any) -> Boxes:
        return Boxes(self.corners[which], self.scores[which])


class Detector(Protocol):
    """Finds people in one picture. A detector may keep a background; it is asked about one camera only."""

    def find(self, picture: Picture) -> Boxes: ...


def overlaps(first: Floats, second: Floats) -> Floats:
    """Intersection over union of every box of ``first`` (n) with every box of ``second`` (m): (n, m)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    areas = _areas(first)[:, None] + _areas(second)[None, :]
    return np.asarray(both / np.maximum(areas - both, 1e-6), np.float32)


def suppress(boxes: Boxes, most_overlap: float) -> Boxes:
    """Keep the best of boxes that overlap by more than ``most_overlap``."""
    order = np.argsort(-boxes.scores)
    shared = overlaps(boxes.corners[order], boxes.corners[order])
    kept: list[int] = []
    for place in range(len(order)):
        if not kept or shared[place, kept].max() <= most_overlap:
            kept.append(place)
    return boxes.only(order[kept])


def without_pairs(boxes: Boxes) -> Boxes:
    """Without boxes round two people who were found one by one as well, one of them perhaps only just."""
    if len(boxes) < 3:
        return boxes
    parts = _parts(boxes.corners, boxes.corners)
    return boxes.only([not _two(boxes, np.flatnonzero(row)) for row in parts])


def round_two(corners: Floats, others: Floats) -> bool:
    """Whether one box, ``corners``, is round two of ``others`` who are known to be two, neither behind the other."""
    return bool(_beside(others[_parts(corners[None], others)[0]], KNOWN_SHARED).any())


def _parts(corners: Floats, others: Floats) -> Any:
    """Which of ``others`` may be people within each of ``corners``: inside, clearly narrower, not much lower."""
    low = np.maximum(corners[:, None, :2], others[None, :, :2])
    high = np.minimum(corners[:, None, 2:], others[None, :, 2:])
    within = np.clip(high - low, 0, None).prod(axis=2) / np.maximum(_areas(others)[None, :], 1e-6)
    (wide, tall), (widths, heights) = ((each[:, 2:] - each[:, :2]).T for each in (corners, others))
    return (within > 0.8) & (widths[None, :] < 0.8 * wide[:, None]) & (heights[None, :] > 0.5 * tall[:, None])


def _two(boxes: Boxes, parts: Any) -> bool:
    """Whether there are two people among ``parts``: beside each other, and one of them for sure."""
    sure = boxes.scores[parts] >= PART_SCORE
    return bool((_beside(boxes.corners[parts], FOUND_SHARED) & sure[:, None]).any())


def _beside(corners: Floats, most_shared: float) -> Any:
    """Which of ``corners`` share at most so much of the narrower one's width."""
    lefts, rights = corners[:, 0], corners[:, 2]
    shared = np.minimum(rights[:, None], rights[None]) - np.maximum(lefts[:, None], lefts[None])
    return shared < most_shared * np.minimum(rights - lefts, (rights - lefts)[:, None])


def _areas(corners: Floats) -> Floats:
    return np.asarray((corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1]), np.float32)
