"""Room for those who cannot wait: what was kept back for hours is let in a few bodies at a time, and when everything is
full whoever can come again is sent away before whoever stands at a gate.

A request that waits holds a thread of the server. Without this a hundred devices that come back after an outage take
every thread, and a guard's scan waits behind bodies of a thousand reports.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from community_flow.domain.errors import Busy

LARGE_BYTES = 4_096
"""A body above this was collected; one report takes a few hundred bytes."""

LARGE_AT_ONCE, LARGE_INSIDE = 2, 48
"""One is decoded while the other is written; more at once only takes the interpreter from live reports. The others wait
inside, up to so many."""

LIVE_S = 2.0
"""So long after a small body somebody is taken to be reporting live."""
RESTS, LONGEST_REST_S = 4, 0.5
"""While somebody is, the place of a large body stays empty after it for so many times as long as the body took: however
fast a flood could be taken in, most live reports meet none of it."""

MOST = 100
"""Bodies in the process at once. The server has more threads than that, so pages and probes find one."""


def full() -> Busy:
    return Busy("Too much comes in at once: keep your reports and send them again.", retry_s=1)


class Lanes:
    """Who may take part of one process's time now."""

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause
        self._lock = threading.Lock()
        self._large = threading.Semaphore(LARGE_AT_ONCE)
        self._inside = self._large_inside = 0
        self._live_s = -math.inf

    @contextmanager
    def enter(self, size: int) -> Iterator[None]:
        """Room for a body of ``size`` bytes; raises Busy when there is none."""
        large = size > LARGE_BYTES
        self._count(large)
        try:
            if not large:
                self.live()
                yield
                return
            with self._large:
                begun_s = time.monotonic()
                yield
                self._rest(time.monotonic() - begun_s)
        finally:
            with self._lock:
                self._inside -= 1
                self._large_inside -= large

    def live(self) -> None:
        """Somebody at a gate is reporting."""
        self._live_s = time.monotonic()

    def flooded(self) -> bool:
        """Whether collected bodies come in while somebody reports live."""
        return self._large_inside > 0 and time.monotonic() - self._live_s < LIVE_S

    def _rest(self, took_s: float) -> None:
        """The device hears its answer after the rest, so it cannot send faster than it is wanted to."""
        if time.monotonic() - self._live_s < LIVE_S:
            self._pause(min(LONGEST_REST_S, RESTS * took_s))

    def _count(self, large: bool) -> None:
        with self._lock:
            if self._inside >= MOST or (large and self._large_inside >= LARGE_INSIDE):
                raise full()
            self._inside += 1
            self._large_inside += large
