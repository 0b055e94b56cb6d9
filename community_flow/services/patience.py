"""Asking what may hang: nobody waits longer than they want to, and a question that hangs costs one thread, not many."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()

T = TypeVar("T")


class _Answer(Generic[T]):
    def __init__(self, otherwise: T) -> None:
        self.done = threading.Event()
        self.value = otherwise


class Patient(Generic[T]):
    """``question`` asked in a thread of its own. While it has not answered, it is not asked again."""

    def __init__(self, question: Callable[[], T], mute: T, broken: Callable[[Exception], T]) -> None:
        self.question, self.mute, self.broken = question, mute, broken
        self._lock = threading.Lock()
        self._last: _Answer[T] | None = None

    def begin(self) -> Callable[[float], T]:
        """Ask; call what comes back with the moment (time.monotonic) until which to wait for the answer."""
        with self._lock:
            if self._last is None or self._last.done.is_set():
                self._last = _Answer(self.mute)
                threading.Thread(target=self._run, args=(self._last,), name="question", daemon=True).start()
            answer = self._last

        def wait(end: float) -> T:
            return answer.value if answer.done.wait(max(0.0, end - time.monotonic())) else self.mute

        return wait

    def ask(self, patience_s: float) -> T:
        return self.begin()(time.monotonic() + patience_s)

    def _run(self, answer: _Answer[T]) -> None:
        try:
            answer.value = self.question()
        except Exception as error:  # the thread's outermost loop: a question that breaks has an answer too
            log.exception("a check failed")
            answer.value = self.broken(error)
        finally:
            answer.done.set()
