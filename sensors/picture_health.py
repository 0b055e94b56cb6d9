"""Whether a camera's pictures can be believed: black or covered, frozen, or turned to look somewhere else."""

from __future__ import annotations

from typing import Any

import numpy as np

from sensors import faults
from sensors.shrink import shrunk

DARK_MEAN, DARK_SPREAD = 12.0, 4.0
"""Grey levels below which a picture is black, or so even that something lies on the lens."""

COVERED = 0.25
"""Share of the usual detail below which something hangs before the lens."""

MOVED = 0.5
"""Share of the usual likeness below which the camera looks somewhere else. People change a part of a picture only."""

LIKE = 0.3
"""Usual likeness below which there is nothing to hold on to: a bare wall, or noise at night."""

LEARN = 5
"""Looks that the view is learned from before it is judged."""

SOFT = 0.5
"""Share of the mean step in brightness that counts half: one strong edge must not outweigh a whole pavement."""

AFTER_S = 10.0


class PictureHealth:
    """Looks at a grey picture 128 wide about once a second; a fault begins when it lasted and ends with a good picture.

    The view is known by where brightness changes in it and which way, which day and night share. It is learned slowly
    and only from pictures that are like it, so that a turned camera stays a fault until it is turned back or the agent
    starts anew, with a line drawn for what it sees now.
    """

    def __init__(self, live: bool) -> None:
        self._live = live
        self._before: Any = None
        self._view: Any = None
        self._looks, self._detail, self._likeness = 0, 0.0, 1.0
        self._since: dict[str, float] = {}
        self._last_s = 0.0

    def wrong(self, picture: Any, t_s: float) -> frozenset[str]:
        """The faults that hold at ``t_s``."""
        import cv2

        if t_s < self._last_s:
            self._since.clear()  # a stream that was opened again counts from nought
        self._last_s = t_s
        small = cv2.cvtColor(shrunk(picture, 128, 72), cv2.COLOR_BGR2GRAY)
        mean, spread = (float(part[0][0]) for part in cv2.meanStdDev(small))
        covered, moved = self._strange(cv2, small)
        now = {
            faults.CAMERA_DARK: mean < DARK_MEAN or spread < DARK_SPREAD or covered,
            faults.CAMERA_FROZEN: self._still(picture) and self._live,
            faults.CAMERA_MOVED: moved and not covered,
        }
        return frozenset(name for name, on in now.items() if self._lasts(name, on, t_s))

    def _still(self, picture: Any) -> bool:
        """Whether not one of many pixels has changed: noise alone changes some, unless the camera repeats itself."""
        sample = picture[::8, ::8].copy()
        before, self._before = self._before, sample
        return before is not None and before.shape == sample.shape and bool((before == sample).all())

    def _strange(self, cv2: Any, small: Any) -> tuple[bool, bool]:
        """Whether the picture lacks its usual detail, and whether what detail it has lies elsewhere."""
        across, down = cv2.Sobel(small, cv2.CV_32F, 1, 0), cv2.Sobel(small, cv2.CV_32F, 0, 1)
        steep = cv2.magnitude(across, down)
        detail = float(steep.mean()) / (float(small.mean()) + 8)  # half the light is half the steps
        found = np.stack([across, down]) / (steep + SOFT * float(steep.mean()) + 1e-6)
        if self._looks < LEARN:
            self._learn(found, detail, None if self._view is None else _likeness(found, self._view))
            return False, False
        like = _likeness(found, self._view)
        covered = detail < COVERED * self._detail
        moved = self._likeness >= LIKE and like < MOVED * self._likeness
        if not covered and not moved:
            self._learn(found, detail, like)
        return covered, moved

    def _learn(self, found: Any, detail: float, like: float | None) -> None:
        self._looks += 1
        share = max(0.02, 1 / self._looks)
        self._view = found if self._view is None else self._view + share * (found - self._view)
        self._detail += share * (detail - self._detail)
        if like is not None:
            self._likeness += share * (like - self._likeness)

    def _lasts(self, name: str, on: bool, t_s: float) -> bool:
        if not on:
            self._since.pop(name, None)
            return False
        return t_s - self._since.setdefault(name, t_s) >= AFTER_S


def _likeness(one: Any, other: Any) -> float:
    """1 for the same view at any brightness, about 0 for another."""
    both = float((one * other).sum())
    return both / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-6)
