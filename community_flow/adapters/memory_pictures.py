"""Pictures in this process's memory. Twin of `redis_pictures.py`."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from community_flow.ports import Clock
from community_flow.ports.pictures import KEPT_MS, Answered, Asked

MOST = 50
"""Wishes at once: a megabyte each at most."""


@dataclass
class _Kept:
    asked: Asked
    answered: Answered | None
    ends_ms: int


class MemoryPictures:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def ask(self, device: str, asked: Asked) -> bool:
        with self._lock:
            self._tidy()
            if device not in self._kept and len(self._kept) >= MOST:
                return False
            self._kept[device] = _Kept(asked, None, self.clock.now_ms() + KEPT_MS)
            self._tidy_later()
        return True

    def asked(self, device: str) -> Asked | None:
        with self._lock:
            found = self._live(device)
            return found.asked if found and found.answered is None else None

    def answer(self, device: str, id: str, answered: Answered) -> bool:
        with self._lock:
            found = self._live(device)
            if found is None or found.asked.id != id or found.answered is not None:
                return False
            found.answered, found.ends_ms = answered, self.clock.now_ms() + KEPT_MS
            self._tidy_later()
        return True

    def answered(self, device: str, id: str) -> Answered | None:
        with self._lock:
            found = self._live(device)
            return found.answered if found and found.asked.id == id else None

    def forget(self, device: str) -> None:
        with self._lock:
            self._kept.pop(device, None)

    def size(self) -> int:
        """How many wishes and pictures are in memory; for the test that they go."""
        with self._lock:
            self._tidy()
            return len(self._kept)

    def _live(self, device: str) -> _Kept | None:
        self._tidy()
        return self._kept.get(device)

    def _tidy(self) -> None:
        now_ms = self.clock.now_ms()
        for device in [name for name, each in self._kept.items() if each.ends_ms <= now_ms]:
            del self._kept[device]

    def _tidy_later(self) -> None:
        """Nobody may ask again; the picture goes all the same."""
        timer = threading.Timer(KEPT_MS / 1000 + 0.1, self.size)
        timer.daemon = True
        timer.start()
