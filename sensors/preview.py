"""An annotated video of what was counted. Apart from counting, which never draws."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from sensors.counter import Look
from sensors.frames import CameraTrouble
from sensors.gate_line import Line

GREEN, AMBER, WHITE = (80, 175, 76), (0, 160, 255), (255, 255, 255)
FONT = 0
"""cv2.FONT_HERSHEY_SIMPLEX"""


class Preview:
    """Writes ``path`` (mp4): boxes, the line, the running numbers. Use it as a context manager."""

    def __init__(self, path: Path, line: Line, fps: float) -> None:
        self._path, self._line, self._fps = path, line, fps
        self._writer: Any = None
        self._totals = {"in": 0, "out": 0}

    def __enter__(self) -> Preview:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.release()

    def add(self, look: Look) -> None:
        """Draw one look as the next picture."""
        for _, crossing in look.crossings:
            self._totals[crossing.direction] += 1
        picture = annotated(look, self._line, self._totals)
        if self._writer is None:
            self._writer = _writer(self._path, self._fps, picture.shape[1], picture.shape[0])
        self._writer.write(picture)


def annotated(look: Look, line: Line, totals: dict[str, int]) -> Any:
    """A copy of the look's picture with what was made of it."""
    import cv2

    picture = look.frame.picture.copy()
    height, width = picture.shape[:2]
    ends = [(int(x * width), int(y * height)) for x, y in ((line.x1, line.y1), (line.x2, line.y2))]
    cv2.line(picture, ends[0], ends[1], AMBER if look.crossings else WHITE, 2)
    for track in look.tracks:
        left, top, right, bottom = (int(part) for part in track.corners)
        cv2.rectangle(picture, (left, top), (right, bottom), GREEN, 2)
        cv2.putText(picture, str(track.number), (left, max(12, top - 4)), FONT, 0.5, GREEN, 1)
    cv2.putText(
        picture, f"in {totals['in']}  out {totals['out']}  {look.frame.t_s:.1f} s", (8, 20), FONT, 0.6, AMBER, 2
    )
    return picture


def _writer(path: Path, fps: float, width: int, height: int) -> Any:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
    if not writer.isOpened():
        raise CameraTrouble(
            f"The preview {path} cannot be written: give a path that ends in .mp4 in a folder you may use."
        )
    return writer
