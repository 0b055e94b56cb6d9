"""A lane where people hold a pass to a camera and nobody sits beside it: every pass shown becomes a scan."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Literal, cast

from sensors.config import CheckpointConfig
from sensors.config_lines import WedgeConfig
from sensors.desk import Desk
from sensors.frames import CameraTrouble, Frame, Picture
from sensors.watching import Watch

PREFIX = "CF1:"
LENGTH = 120
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
METHODS: dict[int, Literal["rotating", "card"]] = {
    0x11: "rotating",
    0x12: "rotating",
    0x13: "rotating",
    0x14: "rotating",
    0x21: "card",
}
"""First byte of a token: what kind of pass it is. Whether it is genuine, only the server can say."""


def method_of(text: str) -> Literal["rotating", "card"] | None:
    """What kind of pass ``text`` is, or None for what no gate could read: base45 in groups of three letters."""
    if len(text) != LENGTH or not text.startswith(PREFIX) or any(letter not in ALPHABET for letter in text):
        return None
    groups = [_number(text[at : at + 3]) for at in range(len(PREFIX), LENGTH, 3)]
    if any(group > 0xFFFF for group in groups) or groups[-1] > 0xFF:
        return None
    return METHODS.get(groups[0] >> 8)


def _number(letters: str) -> int:
    return sum(ALPHABET.index(letter) * 45**place for place, letter in enumerate(letters))


HARDER_EVERY = 3
"""Of the frames in which nothing was found, each third is looked at again, cleared: a person holds a pass for a second,
an empty lane lasts all day."""

CLEAR_SIGMA_PX, CLEAR_GAIN = 3.0, 4.0
"""How far a blurred edge reaches in a doubled picture, and how much of it is given back: 59 of 60 pictures blurred by
half a module read so, and half of them as they are (tests/reading_set.py)."""

Read = Callable[[Picture], list[str]]


def reader() -> Read:
    """Finds the passes in a picture, or else the texts of other QR codes: first as the picture is, then cleared.

    A blurred picture now and then reads as a few letters that nobody printed, so only what can be a pass ends the
    search.
    """
    quick = quick_reader()

    def read(picture: Picture) -> list[str]:
        first = found = quick(picture)
        for prepare in (cleared, doubled):
            if any(method_of(text) for text in found):
                return found
            found = quick(prepare(picture))
        return found or first

    return read


def watching_reader() -> Read:
    """As `reader`, for one frame after the other."""
    quick, thorough, fruitless = quick_reader(), reader(), 0

    def read(picture: Picture) -> list[str]:
        nonlocal fruitless
        found = quick(picture)
        if any(method_of(text) for text in found):
            fruitless = 0
            return found
        fruitless += 1
        return found if fruitless % HARDER_EVERY else thorough(picture)

    return read


def doubled(picture: Picture) -> Picture:
    """Twice as large: the decoder finds the middle of modules of two pixels."""
    import cv2

    return cast(Picture, cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR))


def cleared(picture: Picture) -> Picture:
    """Grey, stretched from its darkest to its lightest hundredth, twice as large, and edges that blur took away drawn
    back in."""
    import cv2
    import numpy as np

    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
    low, high = np.percentile(grey[::4, ::4], (1, 99))
    levels = (np.arange(256) - low) * (255 / max(high - low, 1.0))
    large = doubled(cast(Picture, cv2.LUT(grey, np.clip(levels, 0, 255).astype(np.uint8))))
    smooth = cv2.GaussianBlur(large, (0, 0), CLEAR_SIGMA_PX)
    return cast(Picture, cv2.addWeighted(large, 1 + CLEAR_GAIN, smooth, -CLEAR_GAIN, 0))


def quick_reader() -> Read:
    """One look at the picture as it is: zxing-cpp, or OpenCV's own where that is missing."""
    try:
        import zxingcpp
    except ImportError:
        return _opencv_reader()
    formats: Any = zxingcpp.BarcodeFormat.QRCode
    return lambda picture: [found.text for found in zxingcpp.read_barcodes(picture, formats=formats) if found.valid]


def _opencv_reader() -> Read:
    try:
        import cv2
    except ImportError as error:
        raise CameraTrouble("No QR reader is installed: `pip install 'community-flow-sensors[camera,qr]'`.") from error
    detector = cv2.QRCodeDetectorAruco()

    def read(picture: Picture) -> list[str]:
        good, texts, *_ = detector.detectAndDecodeMulti(picture)
        return [text for text in texts if text] if good else []

    return read


class Shown:
    """Which codes are new: one that stays before the camera, or is back within the cool-down, is the same showing."""

    def __init__(self, cooldown_s: float) -> None:
        self._cooldown = cooldown_s
        self._last: dict[str, float] = {}

    def fresh(self, texts: Iterable[str], t_s: float) -> list[str]:
        """The texts that are shown anew at ``t_s``."""
        found = []
        for text in dict.fromkeys(texts):
            before = self._last.get(text)
            if before is None or t_s - before > self._cooldown:
                found.append(text)
            self._last[text] = t_s
        self._last = {text: last for text, last in self._last.items() if t_s - last <= self._cooldown}
        return found


def tell(desk: Desk, lane: CheckpointConfig | WedgeConfig, text: str, at_ms: int | None = None) -> None:
    """A pass was shown at an open lane, by a camera or by a reader that types."""
    desk.scan(lane.gate, lane.direction, method_of(text), lane.passed, {"pass": text}, at_ms)


class CheckpointSensor:
    """Scans at an open lane: decision allow, reason free_flow, ``passed`` as configured."""

    def __init__(self, config: CheckpointConfig) -> None:
        self._config = config

    def run(self, desk: Desk, stop: threading.Event) -> None:
        watch = Watch(self._config.source, self._config.fps, self._config.pace, self._config.repeat)
        watch.each(desk, stop, lambda: self._reading(desk))

    def _reading(self, desk: Desk) -> Callable[[Frame, int], None]:
        read, shown = watching_reader(), Shown(self._config.cooldown_s)

        def take(frame: Frame, at_ms: int) -> None:
            texts = [text for text in read(frame.picture) if method_of(text)]
            for text in shown.fresh(texts, frame.t_s):
                tell(desk, self._config, text, at_ms)

        return take
