"""People by YOLOX-nano."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensors.boxes import Boxes, suppress, without_pairs
from sensors.frames import Picture
from sensors.model import checked
from sensors.network import network
from sensors.shrink import shrunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 416
STRIDES = (8, 16, 32)
PERSON = 0
"""The first of the 80 COCO classes."""

LEAST_SCORE = 0.10
"""Weak boxes may continue a track; only `track.SURE` begins one."""

MOST_OVERLAP = 0.55
"""Two people side by side overlap by less than one person found twice."""

GREY = 114


class YoloxDetector:
    """One network per camera."""

    def __init__(self, model: Path) -> None:
        self._cells, self._scale = _grid()
        self._run = network(checked(model), [1, 3, SIDE, SIDE], [1, len(self._scale), 85])
        self._canvas = np.full((SIDE, SIDE, 3), GREY, np.uint8)

    def find(self, picture: Picture) -> Boxes:
        """The people in ``picture``; a person cut by its edge is boxed to the edge."""
        height, width = picture.shape[:2]
        ratio = min(SIDE / height, SIDE / width)
        inner = (max(1, round(width * ratio)), max(1, round(height * ratio)))
        found = self._run(self._planes(picture, inner))[0]
        boxes = without_pairs(suppress(self._people(found), MOST_OVERLAP))
        corners = np.clip(boxes.corners / ratio, 0, np.array([width, height] * 2, np.float32))
        return Boxes(np.asarray(corners, np.float32), boxes.scores)

    def _planes(self, picture: Picture, inner: tuple[int, int]) -> Any:
        """The picture in the top left of a grey square, as (1, 3, 416, 416)."""
        self._canvas[...] = GREY
        self._canvas[: inner[1], : inner[0]] = shrunk(picture, *inner)
        return self._canvas.transpose(2, 0, 1)[None].astype(np.float32)

    def _people(self, found: Any) -> Boxes:
        scores = found[:, 4] * found[:, 5 + PERSON]
        keep = scores >= LEAST_SCORE
        rows, scale = found[keep], self._scale[keep, None]
        centres = (rows[:, :2] + self._cells[keep]) * scale
        halves = np.exp(np.minimum(rows[:, 2:4], 10)) * scale / 2
        corners = np.concatenate([centres - halves, centres + halves], axis=1)
        return Boxes(np.asarray(corners, np.float32), np.asarray(scores[keep], np.float32))


def _grid() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cell (n, 2) and stride (n,) of each of the 3,549 rows the network answers."""
    cells, scales = [], []
    for stride in STRIDES:
        count = SIDE // stride
        rows, columns = np.divmod(np.arange(count * count), count)
        cells.append(np.stack([columns, rows], axis=1))
        scales.append(np.full(count * count, stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(scales).astype(np.float32)
