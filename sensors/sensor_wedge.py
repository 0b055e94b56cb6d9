"""A QR or card reader that types like a keyboard, on a box without a screen: Linux input events become scans.

The device is grabbed, so that nothing of a pass is typed into a console.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import struct
import threading
import time

from sensors.config_lines import WedgeConfig
from sensors.desk import Desk
from sensors.line_source import MOST_LINE, each_line
from sensors.qr import Shown, method_of, tell

EVENT = struct.Struct("llHHi")
"""Of this machine: two longs of time, type, code, value (linux/input.h)."""
GRAB = 0x40044590
KEY, SYNC, DROPPED = 1, 0, 3
PRESSED, RELEASED = 1, 0
ENTER, SHIFT = frozenset({28, 96}), frozenset({42, 54})
STALE_S = 2.0
"""A reader types a code in far less; what is older was never ended."""

_ROWS = (
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", 'ASDFGHJKL:"~'),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (57, " ", " "),
    (71, "789-456+1230.", "789-456+1230."),
    (55, "*", "*"),
    (98, "/", "/"),
)
LETTERS = {
    (first + place, shifted): letter
    for first, *rows in _ROWS
    for shifted, row in enumerate(rows)
    for place, letter in enumerate(row)
}
"""(key, shift) -> letter on a keyboard of the United States, which is what readers are set to."""

TAG = re.compile(r"[0-9A-Fa-f]{4,32}")


class Keys:
    """Texts that are typed and ended with Enter."""

    def __init__(self) -> None:
        self._rest, self._text, self._shifts, self._typed_s = b"", "", set[int](), 0.0
        self._spoilt = False

    def begin(self, handle: int) -> None:
        if stat.S_ISCHR(os.fstat(handle).st_mode):
            fcntl.ioctl(handle, GRAB, 1)

    def feed(self, piece: bytes) -> list[str]:
        whole = len(self._rest + piece) // EVENT.size * EVENT.size
        events, self._rest = (self._rest + piece)[:whole], (self._rest + piece)[whole:]
        return [text for _, _, *event in EVENT.iter_unpack(events) if (text := self._take(*event))]

    def rest(self) -> list[str]:
        return []

    def _take(self, kind: int, code: int, value: int) -> str:
        """The whole text when this event ends it."""
        if kind == SYNC and code == DROPPED:
            self._spoilt = True  # some keys were lost on the way: what is being typed is of no use
        if kind != KEY:
            return ""
        if code in SHIFT:
            (self._shifts.discard if value == RELEASED else self._shifts.add)(code)
        elif value == PRESSED:
            return self._press(code)
        return ""

    def _press(self, code: int) -> str:
        now_s = time.monotonic()
        if now_s - self._typed_s > STALE_S:
            self._text = ""
        self._typed_s = now_s
        if code not in ENTER:
            self._text = (self._text + LETTERS.get((code, bool(self._shifts)), ""))[-MOST_LINE:]
            return ""
        text, spoilt = self._text, self._spoilt
        self._text, self._spoilt = "", False
        return "" if spoilt else text


class WedgeSensor:
    """A lane as `qr.CheckpointSensor` is one; only the pass is read by somebody else."""

    def __init__(self, config: WedgeConfig) -> None:
        self._config, self._shown = config, Shown(config.cooldown_s)

    def run(self, desk: Desk, stop: threading.Event) -> None:
        each_line(self._config.source, desk, stop, lambda text: self.take(desk, text), Keys)

    def take(self, desk: Desk, text: str | None) -> None:
        """Report a pass (or a card's number, where that is wanted); what is neither is nobody's."""
        shown = text and _as_pass(text)
        if not shown or not (method_of(shown) or self._is_tag(shown)):
            return
        for fresh in self._shown.fresh([shown], time.monotonic()):
            if method_of(fresh):
                tell(desk, self._config, fresh)
            else:
                desk.scan(self._config.gate, self._config.direction, "tag", self._config.passed, {"tag": fresh})

    def _is_tag(self, text: str) -> bool:
        return self._config.tags and TAG.fullmatch(text) is not None


def _as_pass(text: str) -> str:
    """A reader with Caps Lock on types a pass in small letters, which no pass has."""
    return text.upper() if text == text.lower() and method_of(text.upper()) else text
