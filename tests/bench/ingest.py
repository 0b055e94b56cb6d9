"""How fast reports are taken in, beside a plain peer on the same server, in one interleaved run.

    python -m tests.bench.ingest [--json] [--quick] [--embedded]

Ours answers after the commit is on disk (SQLite WAL FULL with fdatasync; PostgreSQL synchronous_commit=on), and does
trust, allowance, canonical form, keyed digest, marks for the fold and tallies of the device on top; the fold itself
runs beside it in the same processes and takes its share of the machine. The peer (_plain_app.py) is Flask and
SQLAlchemy's ORM with a commit per report and none of that; on SQLite it has SQLite's own defaults (which sync too).
Ours is served as `serve` does it; the peer by granian with sixteen threads, which serves WSGI faster than what serves
ours. Both have one process on SQLite and two on PostgreSQL; the client is one thread that drives sixteen keep-alive
connections, each the camera of a gate of its own.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from community_flow.app import settle_interpreter
from community_flow.domain import passes
from community_flow.ports.passes import PassRow
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.decoding import decode
from community_flow.settings import Settings
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.bench._blast import ROOT, blast
from tests.bench._figures import Figure, options, shown
from tests.bench._gates import MANAGER, cpu_s, gates_with_cameras, streams
from tests.bench._plain_app import make_tables
from tests.conftest import prepared, serving
from tests.factories import small_community
from tests.services import free_port, listens, postgresql_server, redis_server, wait_until

CAMERAS = 16
SPAN_MS = 6 * 86_400_000
PEER = "plain Flask + SQLAlchemy"


# --- over HTTP, beside the plain application ------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    port: int
    pid: int


@contextlib.contextmanager
def plain_server(url: str, workers: int) -> Iterator[Server]:
    """The peer, on the same server with as many processes."""
    port = free_port()
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--port", str(port),
        "--workers", str(workers), "--blocking-threads", "16", "--no-access-log", "--log-level", "error",
        "tests.bench._plain_app:application",
    ]  # fmt: skip
    make_tables(url)
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PLAIN_URL": url}) as process:
        try:
            wait_until(lambda: listens(port), "the plain app", 60)
            yield Server(port, process.pid)
        finally:
            process.terminate()


@dataclass
class Duel:
    """The same requests to both, in turns: whatever else the machine does happens to both."""

    ours: Server
    peer: Server
    tokens: list[str]
    boot: int = 1_000

    def round(self, server: Server, bodies: int, size: int) -> tuple[float, float]:
        """(reports a second, CPU of the server's processes a report)."""
        self.boot += 1_000
        sent = streams(self.tokens, self.boot, bodies, size)
        begun_s = cpu_s(server.pid)
        shots = blast(server.port, sent)
        reports = bodies * size * len(self.tokens)
        return reports / shots.took_s, (cpu_s(server.pid) - begun_s) / reports

    def fight(self, rounds: int, bodies: int, peer_bodies: int, size: int) -> list[float]:
        """Medians of [our rate, the peer's, our CPU in us a report, the peer's]."""
        self.round(self.ours, 5, size), self.round(self.peer, 3, size)
        mine, theirs = [], []
        for _ in range(rounds):
            mine.append(self.round(self.ours, bodies, size))
            theirs.append(self.round(self.peer, peer_bodies, size))
        rates = [statistics.median(each[0] for each in side) for side in (mine, theirs)]
        return rates + [1e6 * statistics.median(each[1] for each in side) for side in (mine, theirs)]


def against_the_peer(settings: Settings, peer_url: str, workers: int, rounds: int, each: int) -> dict[str, Figure]:
    tokens = gates_with_cameras(settings, CAMERAS)
    store = "PostgreSQL" if settings.database_url else "embedded"
    with serving(settings) as server, plain_server(peer_url, workers) as peer:
        duel = Duel(Server(urlsplit(server.url).port or 0, server.pid), peer, tokens)
        single = duel.fight(rounds, each, max(5, each // 10), 1)
        batch = duel.fight(rounds, max(5, each // 20), max(2, each // 200), 100) if settings.database_url else None
    mine, theirs, mine_us, theirs_us = single
    figures = {
        f"one report a request, {store}": Figure(
            mine, "reports/s", None, f"{PEER}: {theirs:.0f} reports/s; CPU {mine_us:.0f} against {theirs_us:.0f} us"
        ),
        f"one report a request, {store}, against the plain app": Figure(
            mine / theirs, "x wall", 3.5 if settings.database_url else 15, PEER
        ),
    }
    if batch is None:  # sixteen connections that commit one by one starve each other on SQLite: no fair peer
        return figures
    mine, theirs, mine_us, theirs_us = batch
    figures[f"100 reports a request, {store}"] = Figure(
        mine, "reports/s", None, f"{PEER}: {theirs:.0f} reports/s; CPU {mine_us:.1f} against {theirs_us:.0f} us"
    )
    figures[f"100 reports a request, {store}, against the plain app"] = Figure(
        theirs_us / mine_us, "x CPU", 60, f"{PEER}; without the database's own CPU"
    )
    return figures


def on_postgresql(folder: Path, rounds: int, each: int) -> dict[str, Figure]:
    with postgresql_server() as url, postgresql_server() as peer_url, redis_server() as redis_url:
        settings = Settings(data_dir=folder / "postgresql", database_url=url, redis_url=redis_url)
        driver_url = peer_url.replace("postgresql://", "postgresql+psycopg://")
        return against_the_peer(settings, driver_url, 2, rounds, each)


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
        settle_interpreter()  # as the server does

    def _add_phone(self) -> None:
        from community_flow.adapters.sql.queries_passes import SqlPasses

        ref = CommunityKeys(self.core.keys).pass_ref(self.device.uid, b"handle01")
        row = PassRow(
            community="garden", pass_id=passes.pass_id(ref), ref=ref, sealed_handle=None,
            public_key=self.phone.public_key().public_bytes_raw(), short_code=None, issued_ms=0, changed_ms=0,
        )  # fmt: skip
        with self.core.db.write() as tx:
            SqlPasses().add(tx, [row])

    def counts(self, boot: int, bodies: int, size: int, last_ms: int = 0, apart_ms: float = 100) -> list[bytes]:
        """Counts in order of time, the last of them at ``last_ms``, or now."""
        last_ms = last_ms or int(time.time() * 1000)
        at, seq = 1_234_567_890_123, 987_654_321
        text = wire.Count(boot=boot, seq=seq, at=at, gate="east", direction="in", n=1, confidence=0.94).encode()

        def count(seq_now: int) -> str:  # written by hand: ten million are made for the largest store
            at_now = last_ms - int(apart_ms * (bodies * size - seq_now))
            return text.replace(str(at), str(at_now)).replace(str(seq), str(seq_now))

        return [wire.body("b", [count(part * size + seq) for seq in range(1, size + 1)]) for part in range(bodies)]

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
    bench.accept(bench.counts(9, 1, size)[0])
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


def growing(folder: Path, sizes: list[int]) -> dict[str, Figure]:
    """What one report costs in a store that holds so many already, of the last six days, in the order of their time."""
    bench, size, kept, boot = Bench(folder / "growing"), 500, 0, 10
    begun_ms, apart_ms = int(time.time() * 1000) - SPAN_MS, SPAN_MS / sizes[-1]
    figures: dict[str, Figure] = {}
    first_us = 0.0
    for target in sizes:
        while kept < target:
            part = min(20, max(1, (target - kept) // size))
            boot += 1
            kept += part * size
            bodies = bench.counts(boot, part, size, begun_ms + int(kept * apart_ms), apart_ms)
            spent_us = cpu_us(bench.accept, bodies, size)
        first_us = first_us or spent_us
        figures[f"CPU a report in a store of {target:,}"] = Figure(
            spent_us, "us/report", None, f"{spent_us / first_us:.2f} x the first size"
        )
    bench.core.db.close()
    figures["cost in the largest store against the smallest"] = Figure(
        spent_us / first_us, "x", 2, "ourselves, smaller", most=True
    )
    return figures


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--embedded", action="store_true", help="leave PostgreSQL out")
    chosen = parser.parse_args()
    rounds, each, bodies = (3, 100, 8) if chosen.quick else (5, 1_000, 40)
    sizes = [10_000, 100_000] if chosen.quick else [10_000, 100_000, 1_000_000, 10_000_000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = in_process(folder, rounds, bodies)
        found |= against_the_peer(
            Settings(data_dir=folder / "embedded"), f"sqlite:///{folder / 'plain.sqlite'}", 1, rounds, each
        )
        if not chosen.embedded:
            found |= on_postgresql(folder, rounds, each)
        found |= growing(folder, sizes)
    print(shown(found, chosen.json))


if __name__ == "__main__":
    main()
