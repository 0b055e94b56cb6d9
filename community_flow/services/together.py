"""What many ask at the same moment, answered by one thread for all of them.

Threads that work at once take the interpreter from one another all the time: sixteen reports that sixteen threads took
in cost four times as much each as one alone. So those who ask put their question into a queue; one thread takes up all
that lie there, and while it waits for the disk the next ones gather.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

from community_flow.services.lanes import full

MOST = 128
"""So much of questions is taken up at a time, by their weight: the first of them waits for the last."""

MOST_WAITING = 1_000
"""A third of a second's work."""

PAUSE_S, PAUSES = 0.0001, 3
"""Where several are asking, moments in which those who have just been answered can ask again: a commit for sixteen
costs hardly more than one for eight."""

Q = TypeVar("Q")
T = TypeVar("T")
A = TypeVar("A")


class Together(Generic[Q, T, A]):
    """``work`` answers questions in their order; ``deliver`` is given the tickets of those who asked and what they are
    to hear, once for all: answers, or the error that ``work`` raised. Both run in a thread of this object's own, which
    begins with the first question."""

    def __init__(
        self,
        work: Callable[[Sequence[Q]], Sequence[A]],
        deliver: Callable[[Sequence[T], Sequence[A | Exception]], None],
        weight: Callable[[Q], float] = lambda question: 1,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """``weight`` is 1 for what costs as little as a report alone."""
        self.work, self.deliver, self.weight, self.most_waiting = work, deliver, weight, most_waiting
        self._queue: SimpleQueue[tuple[Q, T, float]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._since_s: float | None = None

    def put(self, question: Q, ticket: T) -> None:
        """Ask; returns at once. Raises Busy when too many are waiting. Called by one thread."""
        if self._queue.qsize() >= self.most_waiting:
            raise full()
        self._queue.put((question, ticket, time.monotonic()))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="together", daemon=True)
            self._thread.start()

    def waiting_s(self) -> float:
        """How long the oldest question that is being answered has waited; 0 when there is none."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def _run(self) -> None:
        several = 1
        while True:
            group = self._gather(several)
            several = max(len(group), several - 1)
            self._since_s = group[0][2]
            self.deliver([ticket for _, ticket, _ in group], self._answers([question for question, _, _ in group]))
            self._since_s = None

    def _gather(self, several: int) -> list[tuple[Q, T, float]]:
        group = [self._queue.get()]
        for _ in range(PAUSES if several > 1 else 0):
            if self._queue.qsize() + 1 >= several:
                break
            time.sleep(PAUSE_S)
        weight = self.weight(group[0][0])
        while weight < MOST and not self._queue.empty():
            group.append(self._queue.get())
            weight += self.weight(group[-1][0])
        return group

    def _answers(self, questions: Sequence[Q]) -> Sequence[A | Exception]:
        try:
            return self.work(questions)
        except Exception as error:  # noqa: BLE001 - the thread's outermost loop: who asked logs and counts it
            if len(questions) == 1:
                return [error]
            # Whose question breaks us must not take the others with it, now and whenever it is asked again.
            return [self._answers([each])[0] for each in questions]
