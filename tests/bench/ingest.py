"""How fast reports are taken in, beside a plain peer on the same server, in one interleaved run.

    python -m tests.bench.ingest [--json] [--quick]

Ours answers after fdatasync (SQLite WAL FULL), and does trust, canonical form, marks for the fold and tallies of the
device on top; the fold itself runs beside it and takes its share of the machine. The peer (_plain_app.py) has SQLite's
own defaults and its file in the same folder.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from community_flow.domain import passes
from community_flow.domain.scope import Role, Scope
from community_flow.ports.passes import PassRow
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.decoding import decode
from community_flow.settings import Settings
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.conftest import prepared, serving
from tests.factories import small_community
from tests.services import free_port, listens, wait_until

THREADS = 8
MANAGER = Scope("bench", Role.MANAGER, frozenset({"garden"}))
ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Figure:
    """One result; ``bar`` is the least (or, when ``most``, the greatest) value that holds."""

    value: float
    unit: str
    bar: float | None
    peer: str
    most: bool = False

    @property
    def holds(self) -> bool | None:
        if self.bar is None:
            return None
        return self.value <= self.bar if self.most else self.value >= self.bar


# --- one report a request, over HTTP --------------------------------------------------------------------------------


def count(boot: int, seq: int) -> str:
    at = int(time.time() * 1000)
    return wire.Count(boot=boot, seq=seq, at=at, gate="east", direction="in", n=1, confidence=0.94).encode()


def rate(port: int, tokens: list[str], boot: int, each: int) -> float:
    """Requests a second of THREADS keep-alive connections that send one report at a time."""
    bodies = [[wire.body("b", [count(boot + place, seq)]) for seq in range(1, each + 1)] for place in range(THREADS)]
    failures: list[str] = []

    def send(place: int) -> None:
        headers = {"Authorization": f"Bearer {tokens[place]}", "Content-Type": "application/json"}
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as line:
            for body in bodies[place]:
                line.request("POST", "/v1/reports", body, headers)
                response = line.getresponse()
                if b"accepted" not in response.read():
                    failures.append(str(response.status))

    threads = [threading.Thread(target=send, args=(place,)) for place in range(THREADS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - begun
    if failures:
        raise SystemExit(f"{len(failures)} requests failed: {failures[:3]}")
    return THREADS * each / took_s


@contextlib.contextmanager
def plain_server(folder: Path) -> Iterator[int]:
    """The peer, on the same server with the same number of threads."""
    port = free_port()
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--port", str(port), "--workers", "1",
        "--blocking-threads", "16", "--no-access-log", "tests.bench._plain_app:application",
    ]  # fmt: skip
    environment = {**os.environ, "PLAIN_URL": f"sqlite:///{folder / 'plain.sqlite'}"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: listens(port), "the plain app", 60)
            yield port
        finally:
            process.terminate()


def over_http(folder: Path, rounds: int, each: int) -> dict[str, Figure]:
    settings = Settings(data_dir=folder / "var")
    core = prepared(settings)
    small_community(core)
    devices = [ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", "east") for _ in range(THREADS)]
    core.db.close()
    tokens = [made.token for made in devices]
    ours: list[float] = []
    peers: list[float] = []
    with serving(settings) as server, plain_server(folder) as plain_port:
        port = urlsplit(server.url).port or 0
        rate(port, tokens, 1_000, 5), rate(plain_port, tokens, 1_000, 5)
        for turn in range(rounds):  # interleaved: whatever else the machine does happens to both
            ours.append(rate(port, tokens, 2_000 + 100 * turn, each))
            peers.append(rate(plain_port, tokens, 2_000 + 100 * turn, max(5, each // 10)))
    mine, theirs = statistics.median(ours), statistics.median(peers)
    return {
        "one report a request": Figure(mine, "reports/s", None, f"plain Flask + SQLAlchemy: {theirs:.0f} reports/s"),
        "one report a request, against the plain app": Figure(mine / theirs, "x", 15, "plain Flask + SQLAlchemy"),
    }


# --- 500 reports a request, in one process --------------------------------------------------------------------------


def cpu_us(work: Callable[[bytes], object], bodies: list[bytes], size: int) -> float:
    begun = time.process_time()
    for body in bodies:
        work(body)
    return (time.process_time() - begun) / len(bodies) / size * 1e6


@dataclass
class Bench:
    """A store of our own with a device and a phone pass."""

    folder: Path

    def __post_init__(self) -> None:
        self.core = prepared(Settings(data_dir=self.folder / "batch"))
        small_community(self.core)
        self.parts = ingest_parts(self.core)
        made = self.parts.devices.enrol(MANAGER, "garden", "gate_phone", "east")
        self.device = self.parts.ingest.admit(made.token, 1)
        self.phone = Ed25519PrivateKey.generate()
        self._add_phone()

    def _add_phone(self) -> None:
        from community_flow.adapters.sql.queries_passes import SqlPasses

        ref = CommunityKeys(self.core.keys).pass_ref(self.device.uid, b"handle01")
        row = PassRow(
            community="garden", pass_id=passes.pass_id(ref), ref=ref, sealed_handle=None,
            public_key=self.phone.public_key().public_bytes_raw(), short_code=None, issued_ms=0, changed_ms=0,
        )  # fmt: skip
        with self.core.db.write() as tx:
            SqlPasses().add(tx, [row])

    def counts(self, boot: int, bodies: int, size: int) -> list[bytes]:
        return [
            wire.body("b", [count(boot, part * size + seq) for seq in range(1, size + 1)]) for part in range(bodies)
        ]

    def scans(self, boot: int, bodies: int, size: int) -> list[bytes]:
        def scan(seq: int) -> str:
            at = int(time.time() * 1000)
            shown = passes.rotating(self.phone, self.device.uid, handle=b"handle01", at_ms=at - 1000 * (seq % 20))
            return wire.Scan(
                boot=boot, seq=seq, at=at, gate="east", direction="in", method="rotating", decision="allow",
                reason="ok", passed=True, pass_=shown,
            ).encode()  # fmt: skip

        return [wire.body("b", [scan(part * size + seq) for seq in range(1, size + 1)]) for part in range(bodies)]

    def accept(self, body: bytes) -> object:
        return self.parts.ingest.accept(self.device, body)


def verify_us(rounds: int) -> float:
    """CPU of one bare Ed25519 verification."""
    key = Ed25519PrivateKey.generate()
    message = b"m" * 59
    signature, public = key.sign(message), key.public_key().public_bytes_raw()
    begun = time.process_time()
    for _ in range(rounds):
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    return (time.process_time() - begun) / rounds * 1e6


def in_process(folder: Path, rounds: int, bodies: int) -> dict[str, Figure]:
    bench, size = Bench(folder), 500
    kept: list[float] = []
    read: list[float] = []
    scanned: list[float] = []
    bare: list[float] = []
    for turn in range(rounds):
        counts = bench.counts(10 + turn, bodies, size)
        read.append(cpu_us(decode, counts, size))
        kept.append(cpu_us(bench.accept, counts, size))
        bare.append(verify_us(bodies * 100))
        scanned.append(cpu_us(bench.accept, bench.scans(1_000 + turn, max(1, bodies // 4), size), size))
    bench.core.db.close()
    keep_us, read_us, scan_us, bare_us = (statistics.median(each) for each in (kept, read, scanned, bare))
    return {
        "500 counts a request, CPU": Figure(keep_us, "us/report", None, f"validate only: {read_us:.2f} us"),
        "500 counts a request, against validating only": Figure(
            keep_us / read_us, "x", 10, "msgspec decode", most=True
        ),
        "500 rotating scans a request, one core": Figure(
            1e6 / scan_us, "reports/s", None, f"bare Ed25519: {1e6 / bare_us:.0f} /s"
        ),
        "500 rotating scans a request, against bare Ed25519": Figure(bare_us / scan_us, "x", 0.6, "Ed25519 verify"),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true")
    chosen = options.parse_args()
    rounds, each, bodies = (3, 150, 8) if chosen.quick else (5, 1_000, 40)
    with tempfile.TemporaryDirectory() as folder:
        found = over_http(Path(folder), rounds, each) | in_process(Path(folder), rounds, bodies)
    print(json.dumps({name: _plain(each) for name, each in found.items()}) if chosen.json else _table(found))


def _plain(each: Figure) -> dict[str, Any]:
    return {"value": round(each.value, 3), "unit": each.unit, "bar": each.bar, "peer": each.peer, "holds": each.holds}


def _table(found: dict[str, Figure]) -> str:
    lines = []
    for name, each in found.items():
        bar = "" if each.bar is None else f"{'<=' if each.most else '>='} {each.bar:g}"
        verdict = {None: "", True: "holds", False: "MISSED"}[each.holds]
        lines.append(f"{name:52} {each.value:10.2f} {each.unit:10} {bar:8} {verdict:7} {each.peer}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
