"""A lane where people hold a pass to a camera and nobody sits beside it: every pass shown becomes a scan."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Literal

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


def reader() -> Callable[[Picture], list[str]]:
    """Finds the texts of QR codes in a picture: zxing-cpp, or OpenCV's own where that is missing."""
    try:
        import zxingcpp
    except ImportError:
        return _opencv_reader()
    formats: Any = zxingcpp.BarcodeFormat.QRCode
    return lambda picture: [found.text for found in zxingcpp.read_barcodes(picture, formats=formats) if found.valid]


def _opencv_reader() -> Callable[[Picture], list[str]]:
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
        read, shown = reader(), Shown(self._config.cooldown_s)

        def take(frame: Frame, at_ms: int) -> None:
            texts = [text for text in read(frame.picture) if method_of(text)]
            for text in shown.fresh(texts, frame.t_s):
                tell(desk, self._config, text, at_ms)

        return take
