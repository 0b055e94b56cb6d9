"""Devices that send as real ones do: keep until answered, send again after a failure, now and then twice."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from sensors import wire
from tests.services import PATIENCE_S
from tests.survival.world import Enrolled, Talk, World

Key = tuple[str, int, int]
TIMEOUT_S = 5.0
GOOD = frozenset({"accepted", "duplicate"})


@dataclass
class Heard:
    """What the server promised to all devices together, and what it should not have said."""

    answered: set[Key] = field(default_factory=set)
    sent: set[Key] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    broken_lines: int = 0
    last_error: Exception | None = None
    wrong: list[str] = field(default_factory=list)
    without_remedy: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sender(threading.Thread):
    """One device on its own connection."""

    def __init__(self, port: int, me: Enrolled, talk: Talk, heard: Heard, rng: random.Random, pause_s: float) -> None:
        super().__init__(daemon=True, name=me.device)
        self.port, self.me, self.talk, self.heard, self.rng, self.pause_s = port, me, talk, heard, rng, pause_s
        self.waiting: dict[tuple[int, int], str] = {}
        self.done: dict[tuple[int, int], str] = {}
        self.quiet = threading.Event()
        self._line: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not (self.quiet.is_set() and not self.waiting):
            if not self.quiet.is_set() and len(self.waiting) < 500:
                self._write()
            wait_s = self._send(self._some())
            time.sleep(wait_s or self.rng.uniform(0, 2 * self.pause_s))
        self._hang_up()

    def _write(self) -> None:
        for _ in range(self.rng.randint(1, 6)):
            report = self.talk.next()
            self.waiting[report.boot, report.seq] = report.encode()
            self.heard.sent.add((self.me.device, report.boot, report.seq))

    def _some(self) -> dict[tuple[int, int], str]:
        """A batch in any order; sometimes with what was answered already, as after an answer that got lost."""
        keys = list(self.waiting)[: self.rng.choice([1, 5, 50])]
        chosen = {key: self.waiting[key] for key in keys}
        if self.done and self.rng.random() < 0.2:
            chosen |= {key: self.done[key] for key in self.rng.sample(list(self.done), min(5, len(self.done)))}
        shuffled = list(chosen.items())
        self.rng.shuffle(shuffled)
        return dict(shuffled)

    def _send(self, batch: dict[tuple[int, int], str]) -> float:
        """Seconds to wait, 0 when all is well."""
        if not batch:
            return 0.0
        try:
            status, found, retry_after = self._post(wire.body("b", batch.values()))
        except (OSError, http.client.HTTPException) as error:
            self._hang_up()
            with self.heard.lock:
                self.heard.broken_lines += 1
                self.heard.last_error = error
            return self.rng.uniform(0.05, 0.2)
        with self.heard.lock:
            self.heard.statuses[status] += 1
            if status != 200:
                self.heard.without_remedy += retry_after is None
                return self.rng.uniform(0.05, 0.2)
            self._take(batch, wire.answer_from(found))
        return 0.0

    def _take(self, batch: dict[tuple[int, int], str], answer: wire.Answer) -> None:
        named = {(each.boot, each.seq) for each in answer.results}
        if named != set(batch):
            self.heard.wrong.append(f"{self.me.device}: the answer names {named ^ set(batch)} too much or too little")
        for each in answer.results:
            key = (each.boot, each.seq)
            if each.outcome not in GOOD or (key in self.done and each.outcome != "duplicate"):
                self.heard.wrong.append(f"{self.me.device} {key}: {each.outcome} {each.reason}")
            self.heard.answered.add((self.me.device, *key))
            self.done[key] = batch[key]
            self.waiting.pop(key, None)

    def _post(self, body: bytes) -> tuple[int, bytes, str | None]:
        if self._line is None:
            self._line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self.me.token}", "Content-Type": "application/json"}
        self._line.request("POST", wire.PATH, body, headers)
        response = self._line.getresponse()
        return response.status, response.read(), response.getheader("Retry-After")

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class Load:
    """All devices of a world at work; a context manager. `finish` lets them hand over what is left."""

    def __init__(self, world: World, port: int, seed: int, pause_s: float = 0.02) -> None:
        self.heard = Heard()
        boots = random.Random(seed)
        self.senders = [
            Sender(
                port, each, Talk(world, each, random.Random(seed + place), boots.randrange(1, 2**53)), self.heard,
                random.Random(seed + 100 + place), pause_s,
            )
            for place, each in enumerate(world.devices)
        ]  # fmt: skip

    def __enter__(self) -> Load:
        for each in self.senders:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.senders:
            each.quiet.set()
            each.waiting.clear()
            each.join(30)

    def answered(self) -> int:
        return len(self.heard.answered)

    def wait_for(self, more: int, seconds: float = PATIENCE_S) -> None:
        """Until so many further reports were answered: the server is at work again."""
        wanted, end = self.answered() + more, time.monotonic() + seconds
        while self.answered() < wanted:
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{wanted - self.answered()} answers still missing; heard {dict(self.heard.statuses)}, "
                    f"{self.heard.broken_lines} broken connections, the last: {self.heard.last_error!r}"
                )
            time.sleep(0.01)

    def finish(self, seconds: float = PATIENCE_S) -> None:
        """No new reports; everything that waits is sent until it is answered."""
        for each in self.senders:
            each.quiet.set()
        for each in self.senders:
            each.join(seconds)
            assert not each.is_alive(), f"{each.name} still has {len(each.waiting)} reports; {self.heard.statuses}"
