"""Whether a camera's pictures can be believed: black or covered, or frozen."""

from __future__ import annotations

from typing import Any

from sensors import faults

DARK_MEAN, DARK_SPREAD = 12.0, 4.0
"""Grey levels below which a picture is black, or so even that something lies on the lens."""

AFTER_S = 10.0


class PictureHealth:
    """Looks at a grey picture 64 wide; a fault begins when it lasted and ends with the first good picture."""

    def __init__(self, live: bool) -> None:
        self._live = live
        self._before: Any = None
        self._since: dict[str, float] = {}

    def wrong(self, picture: Any, t_s: float) -> frozenset[str]:
        """The faults that hold at ``t_s``."""
        import cv2

        small = cv2.cvtColor(cv2.resize(picture, (64, 36), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        still = self._before is not None and not cv2.absdiff(small, self._before).any()
        mean, spread = (float(part[0][0]) for part in cv2.meanStdDev(small))
        self._before = small
        dark = mean < DARK_MEAN or spread < DARK_SPREAD
        now = {faults.CAMERA_DARK: dark, faults.CAMERA_FROZEN: still and self._live}
        return frozenset(name for name, on in now.items() if self._lasts(name, on, t_s))

    def _lasts(self, name: str, on: bool, t_s: float) -> bool:
        if not on:
            self._since.pop(name, None)
            return False
        return t_s - self._since.setdefault(name, t_s) >= AFTER_S
