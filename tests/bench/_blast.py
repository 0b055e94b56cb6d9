"""A client that costs little: requests are made beforehand, one thread drives every connection.

A client of threads and http.client takes more of the machine than the server that it measures, and then both of two
servers look equally slow. Run as a process of its own, so that it shares no interpreter lock with anybody.
"""

from __future__ import annotations

import pickle
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PART = 65_536


@dataclass(frozen=True)
class Shots:
    """What a run gave: wall time, and for each answer its latency; ``refused`` holds starts of unexpected answers."""

    took_s: float
    latencies_s: list[float]
    refused: list[bytes]
    sent_s: list[float]
    """By the wall clock, in the order of `latencies_s`."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.took_s

    def quantile_s(self, share: float) -> float:
        return sorted(self.latencies_s)[min(len(self.latencies_s) - 1, int(share * len(self.latencies_s)))]


@dataclass(slots=True)
class _Line:
    """One connection at a time: sends a request when the one before was answered. A server that keeps none alive is
    connected to again, before the next request."""

    port: int
    chosen: selectors.BaseSelector
    requests: Sequence[bytes]
    pause_s: float
    next: int = 0
    sent_s: float = 0.0
    due_s: float = 0.0
    waiting: bool = False
    answer: bytes = b""
    latencies_s: list[float] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    link: socket.socket | None = None

    def connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.chosen.register(made, selectors.EVENT_READ, self)
        self.link = made
        return made

    def close(self) -> None:
        if self.link is not None:
            self.chosen.unregister(self.link)
            self.link.close()
            self.link = None

    @property
    def over(self) -> bool:
        return self.next >= len(self.requests) and not self.waiting

    def send(self, now_s: float) -> None:
        self.sent_s, self.waiting, self.answer = now_s, True, b""
        # Small requests leave at once; a large one may need several writes, which a blocking send does for us.
        (self.link or self.connect()).sendall(self.requests[self.next])
        self.next += 1

    def receive(self) -> bytes | None:
        """The whole answer, or None while parts of it are on their way."""
        part = self.link.recv(PART) if self.link else b""
        if not part:
            raise ConnectionError("the server closed a connection in the middle of an answer, or before it")
        self.answer += part
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return None
        now_s = time.perf_counter()
        self.latencies_s.append(now_s - self.sent_s)
        self.times_s.append(self.sent_s)
        # By the timetable: a slow answer must not make the load lighter, or the measurement flatters.
        self.waiting, self.due_s = False, self.due_s + self.pause_s
        if b"\r\nconnection: close" in head.lower():
            self.close()
        return self.answer


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError(f"an answer without a length: {head[:400]!r}")


def drive(port: int, streams: Sequence[Sequence[bytes]], good: bytes, pause_s: float, start_s: float = 0) -> Shots:
    """Send each stream over a connection of its own, at most one request of it at a time, ``pause_s`` from one to the
    next at least, from ``start_s`` (wall clock) on; an answer without the bytes ``good`` counts as refused."""
    chosen = selectors.DefaultSelector()
    lines = []
    for place, requests in enumerate(streams):
        line = _Line(port, chosen, requests, pause_s)
        line.connect()
        line.due_s = time.perf_counter() + max(0.0, start_s - time.time()) + pause_s * place / len(streams)
        lines.append(line)
    refused: list[bytes] = []
    begun_s = time.perf_counter()
    while not all(line.over for line in lines):
        now_s = time.perf_counter()
        for line in lines:
            if not line.waiting and line.next < len(line.requests) and line.due_s <= now_s:
                line.send(time.perf_counter())
        for key, _ in chosen.select(0.0005 if pause_s else 1):
            answer = key.data.receive()
            if answer is not None and good not in answer:
                refused.append(answer[:400])
            if key.data.over:  # or the server would close it while the others go on
                key.data.close()
    took_s = time.perf_counter() - begun_s
    wall_s = time.time() - time.perf_counter()
    return Shots(
        took_s,
        [each for line in lines for each in line.latencies_s],
        refused,
        [each + wall_s for line in lines for each in line.times_s],
    )


def blast(
    port: int, streams: Sequence[Sequence[bytes]], good: bytes = b'"accepted"', pause_s: float = 0, start_s: float = 0
) -> Shots:
    """`drive` in a process of its own; raises SystemExit when anything was refused."""
    work = pickle.dumps((port, streams, good, pause_s, start_s))
    command = [sys.executable, "-m", "tests.bench._blast"]
    done = subprocess.run(command, input=work, capture_output=True, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"the client failed: {done.stderr.decode()[-2000:]}")
    shots: Shots = pickle.loads(done.stdout)
    if shots.refused:
        raise SystemExit(f"{len(shots.refused)} requests were refused, the first: {shots.refused[0].decode()}")
    return shots


def post(path: str, body: bytes, token: str = "", **headers: str) -> bytes:
    """One request, ready to be sent."""
    lines = [
        f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {token}"] if token else ()),
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


if __name__ == "__main__":
    result = drive(*pickle.loads(sys.stdin.buffer.read()))
    # By its importable name: as __main__ nobody else could read it.
    from tests.bench._blast import Shots as Named

    sys.stdout.buffer.write(pickle.dumps(Named(result.took_s, result.latencies_s, result.refused, result.sent_s)))
