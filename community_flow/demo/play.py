"""A live afternoon for the demo: people scan at a gate, a camera counts at another, devices say that they are well.

Everything goes over HTTP, as from real devices: the camera is the agent of `sensors` run as a process of its own over
rendered footage, so its counts come out of the OpenCV pipeline.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCANNED_GATE = "west"
CAMERA_GATE = "market"
HEARTBEAT_S = 60.0
# The figures of a rendered scene cross this line of the picture.
LINE = "0.5,0,0.5,1"


@dataclass
class Card:
    """A card and where its holder is."""

    text: str
    inside: bool


class Phone:
    """A device that reports over HTTP: numbers its reports and sends again what was not answered."""

    def __init__(self, server: str, token: str, rng: random.Random) -> None:
        self.server, self.token = server, token
        self.boot, self.seq = rng.randrange(1, 2**53), 0
        self.waiting: list[dict[str, Any]] = []

    def report(self, **fields: Any) -> None:
        self.seq += 1
        now_ms = time.time_ns() // 1_000_000
        self.waiting.append({**fields, "boot": self.boot, "seq": self.seq, "at": now_ms, "skew_ms": 0})

    def send(self) -> bool:
        """Hand over what waits; False when the server is away (it goes again with the next report)."""
        if not self.waiting:
            return True
        body = json.dumps({"batch": f"{self.boot}-{self.seq}", "reports": self.waiting[:1000]}).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.server}/v1/reports", body, headers)  # noqa: S310 - http(s) only: checked by the command
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
                kept = {(row["boot"], row["seq"]) for row in json.load(answer)["results"]}
        except (urllib.error.URLError, TimeoutError):
            return False
        self.waiting = [row for row in self.waiting if (row["boot"], row["seq"]) not in kept]
        return True


class Player:
    """Scans at ``per_minute`` and heartbeats until ``stop`` is set. ``phones``: by name of the demo's device."""

    def __init__(self, phones: Mapping[str, Phone], scanner: str, cards: Sequence[Card], rng: random.Random) -> None:
        self.phones, self.scanner, self.cards, self.rng = phones, phones[scanner], cards, rng
        self.scans = self.failures = 0

    def run(self, per_minute: float, stop: threading.Event, say: Callable[[str], None]) -> None:
        beat_s = told_s = -float("inf")
        while not stop.is_set():
            now_s = time.monotonic()
            if now_s - beat_s >= HEARTBEAT_S:
                beat_s = now_s
                self.beat()
            self.scan()
            if now_s - told_s >= HEARTBEAT_S:
                told_s = now_s
                say(f"{self.scans} scans sent; {self.failures} times the server was away.")
            stop.wait(self.rng.expovariate(per_minute / 60))

    def scan(self) -> None:
        """Somebody goes out who is in, or comes home."""
        card = self.rng.choice(self.cards)
        direction = "out" if card.inside else "in"
        self.scanner.report(
            kind="scan", gate=SCANNED_GATE, direction=direction, method="card", decision="allow", reason="ok",
            passed=True, forced=False, operator="demo", party=1, **{"pass": card.text},
        )  # fmt: skip
        card.inside = not card.inside
        self.scans += 1
        self.failures += not self.scanner.send()

    def beat(self) -> None:
        for phone in self.phones.values():
            phone.report(kind="status", counters={}, queue=0, version="demo", config=1, faults=[])
            phone.send()


def camera_agent(folder: Path, server: str, device: str, token: str, seed: int) -> subprocess.Popen[bytes]:
    """Start the edge agent over rendered footage; the caller ends it by pid."""
    config = folder / "camera.toml"
    config.write_text(
        f'device = "{device}"\nserver = "{server}"\ntoken = "{token}"\noutbox = "camera.sqlite"\nheartbeat_s = 30\n\n'
        f'[[sensor]]\nkind = "camera"\nsource = "scene:{seed}"\ngate = "{CAMERA_GATE}"\nline = "{LINE}"\n'
        'detector = "motion"\n'
    )
    config.chmod(0o600)
    return subprocess.Popen([sys.executable, "-m", "sensors", "agent", str(config)])  # noqa: S603 - fixed words only
