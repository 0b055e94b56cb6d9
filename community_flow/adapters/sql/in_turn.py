"""A lock whose owners follow one another in the order in which they asked."""

from __future__ import annotations

import threading
from collections import deque


class InTurn:
    """`threading.Lock` gives itself to whoever happens to run when it is free, which is nearly always the one that just
    had it: a loop of short transactions keeps others out for seconds. This one is handed on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = self._handed_on = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._handed_on = True
                self._waiting.popleft().release()
            else:
                self._held = False

    def crowded(self) -> bool:
        """Whether an owner had to wait for another since this was asked last."""
        with self._lock:
            was, self._handed_on = self._handed_on, False
        return was
