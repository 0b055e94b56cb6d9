"""The device's time: wall clock, its offset from the server, and what to do when somebody sets the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

JUMP_MS = 500
KEEP_MS = 250
"""A newly measured offset that differs by less is the network's noise."""

MOST_ROUND_TRIP_MS = 2_000
LATELY_MS = 3_600_000


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class DeviceClock:
    """`now` gives the wall clock; ``skew_ms`` is how far that is ahead of the server, None before the first answer."""

    def __init__(self, wall: Callable[[], int] = wall_ms, steady: Callable[[], int] = monotonic_ms) -> None:
        self._wall, self._steady = wall, steady
        self._apart = wall() - steady()
        self.skew_ms: int | None = None
        self.jumps = 0
        self._jumped_ms: int | None = None

    def now(self) -> int:
        """UTC milliseconds as this device has them; a jump against the steady clock moves the offset with it."""
        now = self._wall()
        jump = now - self._steady() - self._apart
        if abs(jump) > JUMP_MS:
            self._apart += jump
            self.jumps += 1
            self._jumped_ms = self._steady()
            if self.skew_ms is not None:
                self.skew_ms += jump
        return now

    def jumped_lately(self) -> bool:
        """Within the last hour: most boxes set their clock once, when the network is there."""
        self.now()
        return self._jumped_ms is not None and self._steady() - self._jumped_ms < LATELY_MS

    def ago(self, steady_s: float) -> int:
        """UTC milliseconds of a moment that `time.monotonic` gave."""
        return self.now() - max(0, self._steady() - int(steady_s * 1000))

    def measure(self, sent_ms: int, received_ms: int, server_ms: int) -> None:
        """Learn the offset from one exchange with the server; 0 says that it does not know the time itself."""
        if server_ms <= 0 or not 0 <= received_ms - sent_ms <= MOST_ROUND_TRIP_MS:
            return
        found = (sent_ms + received_ms) // 2 - server_ms
        if self.skew_ms is None or abs(found - self.skew_ms) > KEEP_MS:
            self.skew_ms = found
