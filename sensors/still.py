"""One picture when somebody asks for it; between two wishes none is held, and none is ever written."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sensors.frames import Picture

WIDE = 1_280
MOST_BYTES = 1_000_000


class Still:
    """Between a camera's thread, which offers every picture, and whoever asks for the next one."""

    def __init__(self) -> None:
        self.seen = 0
        """Pictures so far: a camera that gives none has not come up."""
        self._wanted, self._there = threading.Event(), threading.Event()
        self._picture: Picture | None = None

    def offer(self, picture: Picture) -> None:
        self.seen += 1
        if self._wanted.is_set():
            self._wanted.clear()
            self._picture = picture
            self._there.set()

    def take(self, wait_s: float) -> Picture | None:
        """The next picture; None when none comes."""
        self._there.clear()
        self._wanted.set()
        self._there.wait(wait_s)
        self._wanted.clear()
        found, self._picture = self._picture, None
        return found


def jpeg(picture: Picture) -> bytes:
    """``picture`` as a JPEG that a page can show: no wider than it needs, no larger than is taken."""
    import cv2

    from sensors.shrink import shrunk

    height, width = picture.shape[:2]
    if width > WIDE:
        picture = shrunk(picture, WIDE, max(1, round(height * WIDE / width)))
    for quality in (80, 60, 40, 20):
        packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(packed) <= MOST_BYTES:
            break
    return bytes(packed)
