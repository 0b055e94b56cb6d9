"""An annotated video of what was counted. Apart from counting, which never draws."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from sensors.counter import Look
from sensors.frames import CameraTrouble
from sensors.gate_line import Shape
from sensors.shrink import shrunk

GREEN, AMBER, WHITE = (80, 175, 76), (0, 160, 255), (255, 255, 255)
FONT = 0
"""cv2.FONT_HERSHEY_SIMPLEX"""


class Preview:
    """Writes ``path`` (mp4): boxes, lines and zones, the running numbers. Use it as a context manager."""

    def __init__(self, path: Path, shapes: Sequence[Shape], fps: float) -> None:
        self._path, self._shapes, self._fps = path, shapes, fps
        self._writer: Any = None
        self._size = (0, 0)
        self._totals = [{"in": 0, "out": 0} for _ in shapes]

    def __enter__(self) -> Preview:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()

    def add(self, look: Look) -> None:
        """Draw one look as the next picture."""
        for at, crossing in look.crossings:
            self._totals[at][crossing.direction] += 1
        picture = annotated(look, self._shapes, self._totals)
        if self._writer is None:
            self._size = (picture.shape[1] // 2 * 2 or 2, picture.shape[0] // 2 * 2 or 2)
            self._writer = _writer(self._path, self._fps, *self._size)
        # An encoder takes even sizes only, and one size for the whole of a video.
        self._writer.write(picture if picture.shape[1::-1] == self._size else shrunk(picture, *self._size))


def annotated(look: Look, shapes: Sequence[Shape], totals: Sequence[dict[str, int]]) -> Any:
    """A copy of the look's picture with what was made of it."""
    import cv2

    picture = look.frame.picture.copy()
    height, width = picture.shape[:2]
    crossed = {at for at, _ in look.crossings}
    for at, shape in enumerate(shapes):
        points = np.array([(int(x * width), int(y * height)) for x, y in shape.points], np.int32)
        cv2.polylines(picture, [points], len(points) > 2, AMBER if at in crossed else WHITE, 2)
    share = width / look.size[1] if look.size[1] else 1.0
    for track in look.tracks:
        left, top, right, bottom = (int(part * share) for part in track.corners)
        cv2.rectangle(picture, (left, top), (right, bottom), GREEN, 2)
        cv2.putText(picture, str(track.number), (left, max(12, top - 4)), FONT, 0.5, GREEN, 1)
    told = "  ".join(f"in {each['in']} out {each['out']}" for each in totals)
    cv2.putText(picture, f"{told}  {look.frame.t_s:.1f} s", (8, 20), FONT, 0.6, AMBER, 2)
    return picture


def _writer(path: Path, fps: float, width: int, height: int) -> Any:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
    if not writer.isOpened():
        raise CameraTrouble(
            f"The preview {path} cannot be written: give a path that ends in .mp4 in a folder you may use."
        )
    return writer
