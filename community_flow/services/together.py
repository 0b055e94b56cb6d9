"""What many threads ask at the same moment, done by one of them for all.

Threads that work at once take the interpreter from one another all the time: sixteen requests at once cost four times
as much each as one alone. So whoever finds nobody at work takes up everything that has been asked; the others sleep
until they are answered. This is flat combining (Hendler, Incze, Shavit, Tzafrir 2010), with a second step that the
next one does not wait for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

MOST = 32
"""Questions that one takes up at a time: the first of them waits for the last."""

PAUSE_S = 0.0002
"""Where several are asking, a moment in which those who wait for the interpreter can put their questions too: without
it each comes when the one before has been answered, and nobody ever finds anything to do for others."""

Q = TypeVar("Q")
P = TypeVar("P")
A = TypeVar("A")


class _Asked(Generic[Q, A]):
    """``turn`` is a lock that is held until its owner has an answer or is the one to work."""

    __slots__ = ("answer", "leads", "question", "trouble", "turn")

    def __init__(self, question: Q) -> None:
        self.question = question
        self.answer: A | None = None
        self.trouble: Exception | None = None
        self.leads = False
        self.turn = threading.Lock()
        self.turn.acquire()


class Together(Generic[Q, P, A]):
    """``first`` is done for one question after the other, by one thread at a time; ``second`` for all that it let
    through, while another thread may already be at the next ones. What ``first`` raises, and errors that ``second``
    gives in the place of answers, are raised to those who asked."""

    def __init__(self, first: Callable[[Q], P], second: Callable[[Sequence[P]], Sequence[A | Exception]]) -> None:
        self.first, self.second = first, second
        self._queue: list[_Asked[Q, A]] = []
        self._lock = threading.Lock()
        self._led = False
        self._inside = 0

    def ask(self, question: Q) -> A:
        mine: _Asked[Q, A] = _Asked(question)
        with self._lock:
            self._inside += 1
            self._queue.append(mine)
            mine.leads, self._led = not self._led, True
        try:
            if not mine.leads:
                mine.turn.acquire()
            if mine.leads:
                self._work(mine)
        finally:
            with self._lock:
                self._inside -= 1
        if mine.trouble is not None:
            raise mine.trouble
        return mine.answer  # type: ignore[return-value]  # who has no trouble has an answer

    def _work(self, mine: _Asked[Q, A]) -> None:
        if self._inside > 1:
            time.sleep(PAUSE_S)
        with self._lock:
            group, self._queue = self._queue[:MOST], self._queue[MOST:]
        try:
            try:
                ready = [(each, found) for each in group for found in self._first(each)]
            finally:
                self._hand_on()
            if ready:
                self._second(ready)
        except BaseException as error:
            for each in group:
                if each.answer is None:
                    each.trouble = each.trouble or RuntimeError(f"who answered for all broke off: {error!r}")
            raise
        finally:
            for each in group:
                if each is not mine:
                    each.turn.release()

    def _first(self, asked: _Asked[Q, A]) -> Sequence[P]:
        try:
            return (self.first(asked.question),)
        except Exception as error:  # noqa: BLE001 - raised again by the one who asked
            asked.trouble = error
            return ()

    def _second(self, ready: Sequence[tuple[_Asked[Q, A], P]]) -> None:
        answers = self.second([found for _, found in ready])
        for (asked, _), answer in zip(ready, answers, strict=True):
            if isinstance(answer, Exception):
                asked.trouble = answer
            else:
                asked.answer = answer

    def _hand_on(self) -> None:
        with self._lock:
            following = self._queue[0] if self._queue else None
            self._led = following is not None
            if following is not None:
                following.leads = True
        if following is not None:
            following.turn.release()
