"""Wall time of this machine, and the steady counter that shows when somebody sets it."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

from community_flow.domain.server_clock import AGREE_MS

UNSYNCHRONISED = 5
"""What adjtimex answers (TIME_ERROR) while nothing keeps the kernel's clock right."""


def wall_ms() -> int:
    """UTC in milliseconds since 1970, as the machine has it."""
    return time.time_ns() // 1_000_000


def elapsed_ms() -> int:
    """Milliseconds since the machine started, sleep included; nobody can set it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def synchronised() -> bool:
    """True when the kernel says that its clock is kept right (NTP, PTP); a look without any change."""
    try:
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):  # another libc, or forbidden: then nobody confirms
        return False
    return 0 <= state < UNSYNCHRONISED


class SteadyClock:
    """Follows the machine's clock while it goes steadily; on a jump goes on as before, until told to believe it."""

    def __init__(self, wall: Callable[[], int] = wall_ms, elapsed: Callable[[], int] = elapsed_ms) -> None:
        self.wall_ms, self.elapsed_ms = wall, elapsed
        self._apart = wall() - elapsed()
        self._held = False

    def now_ms(self) -> int:
        """UTC in milliseconds since 1970."""
        wall, elapsed = self.wall_ms(), self.elapsed_ms()
        if not self._held and abs(wall - elapsed - self._apart) <= AGREE_MS:
            self._apart = wall - elapsed  # drift, and the small steps that keep a clock right
            return wall
        return elapsed + self._apart

    def believe(self) -> None:
        """Take what the machine says now."""
        self._apart, self._held = self.wall_ms() - self.elapsed_ms(), False

    def hold(self, now_ms: int) -> None:
        """It is ``now_ms``, whatever the machine says: count on from there."""
        self._apart, self._held = now_ms - self.elapsed_ms(), True
