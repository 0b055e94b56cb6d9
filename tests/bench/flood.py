"""A day offline, then everything at once: what the flood of late reports does to those who report live.

    python -m tests.bench.flood [--json] [--quick] [--postgresql] [--times N]

100,000 reports of the last 24 hours, shuffled, sent three times over by eight connections in full bodies (gzip), as
devices do. Four live devices send one report at a time before, during and after; each process of the load has a
Python of its own, so that the flood's own work does not stand in the way of the clock that measures.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import http.client
import math
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from community_flow.adapters.sql.mark_packs import unpacked
from community_flow.adapters.sql.tables_flow import dirty
from community_flow.adapters.sql.tables_ingest import reports, tray
from community_flow.settings import Settings
from community_flow.wiring.core import build_core
from sensors import wire
from tests.bench._figures import Figure, shown
from tests.services import postgresql_server, wait_until
from tests.survival.parts import Web, running
from tests.survival.world import Enrolled, Talk, World, made

DAY_MS = 86_400_000
LATE_PHONES, LATE_CAMERAS, LIVE = 6, 2, 4
CONNECTIONS = 8
PEOPLE = 2_000
LIVE_PAUSE_S = 0.04
SPAWN = multiprocessing.get_context("spawn")

Body = tuple[str, bytes]
"""A device's token and what it posts."""


@dataclass
class Answers:
    """How long live reports took, by when they were sent, and what else was said to them."""

    took: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0

    def p99_ms(self, spans: Sequence[tuple[float, float]]) -> float:
        return 1000 * quantile([took for sent, took in self.took if any(a <= sent < b for a, b in spans)], 0.99)


def quantile(values: Sequence[float], share: float) -> float:
    if not values:
        return math.nan
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


# --- the flood ------------------------------------------------------------------------------------------------------


def late_reports(world: World, me: Enrolled, count: int, seed: int) -> list[str]:
    """``count`` reports that one device made in the course of the last 24 hours, in no order."""
    rng, now_ms = random.Random(seed), time.time_ns() // 1_000_000
    at_ms = iter(sorted(now_ms - rng.randrange(DAY_MS) for _ in range(count)))
    talk = Talk(world, me, rng, rng.randrange(1, 2**53), lambda: next(at_ms))
    found = [talk.next().encode() for _ in range(count)]
    rng.shuffle(found)
    return found


def bodies(world: World, late: Sequence[Enrolled], count: int, times: int, seed: int) -> list[Body]:
    """Everything that the late devices post: each report ``times`` times, each time in other bodies."""
    found: list[Body] = []
    rng = random.Random(seed)
    for place, me in enumerate(late):
        texts = late_reports(world, me, count // len(late), seed + place)
        for _ in range(times):
            rng.shuffle(texts)
            found += [(me.token, body) for body in _packed(texts)]
    rng.shuffle(found)
    return found


def _packed(texts: list[str]) -> Iterator[bytes]:
    start = 0
    while start < len(texts):
        body, count = wire.pack("late", texts[start : start + wire.MAX_REPORTS])
        yield gzip.compress(body, 1, mtime=0)
        start += count


def flood(
    world: World, late: Sequence[Enrolled], port: int, count: int, times: int, seed: int, ready: Event, go: Event
) -> None:
    """A process of its own: prepares everything, waits for ``go``, then sends on all connections at once."""
    waiting = bodies(world, late, count, times, seed)
    lock = threading.Lock()

    def send() -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as line:
            while True:
                with lock:
                    if not waiting:
                        return
                    body = waiting.pop()
                until_answered(line, body)

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    ready.set()
    go.wait()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def until_answered(line: http.client.HTTPConnection, body: Body) -> None:
    """As a device does: when told to wait it waits, then sends the same again."""
    while True:
        status, retry_s, found = post(line, *body, encoding="gzip")
        if status == 200:
            assert all(each.outcome in ("accepted", "duplicate") for each in wire.answer_from(found).results)
            return
        assert status in (429, 503), found
        time.sleep(retry_s * random.uniform(1.0, 1.2))


def post(
    line: http.client.HTTPConnection, token: str, body: bytes, encoding: str = "identity"
) -> tuple[int, float, bytes]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Content-Encoding": encoding}
    line.request("POST", wire.PATH, body, headers)
    response = line.getresponse()
    found = response.read()
    return response.status, float(response.getheader("Retry-After") or 0), found


# --- those who report live ------------------------------------------------------------------------------------------


def live(world: World, devices: Sequence[Enrolled], port: int, seed: int, stop: Event, told: Any) -> None:
    """A process of its own: one report at a time on each device, with a pause between; tells an Answers at the end."""
    answers, lock = Answers(), threading.Lock()

    def send(place: int, me: Enrolled) -> None:
        rng = random.Random(seed + place)
        talk = Talk(world, me, rng, rng.randrange(1, 2**53))
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as line:
            while not stop.is_set():
                body = wire.body("live", [talk.next().encode()])
                begun = time.monotonic()
                status, _, found = post(line, me.token, body)
                took_s = time.monotonic() - begun
                with lock:
                    answers.refused += status != 200
                    answers.took.append((begun, took_s))
                assert status in (200, 429, 503), found
                stop.wait(rng.uniform(0, 2 * LIVE_PAUSE_S))

    threads = [threading.Thread(target=send, args=each) for each in enumerate(devices)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.send(answers)


# --- the run --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """What came of one flood."""

    count: int
    times: int
    took_s: float
    folded_s: float
    quiet_ms: float
    during_ms: float
    median_ms: tuple[float, float]
    refused: int
    rows: int
    expected: int
    in_tray: int


def run(settings: Settings, count: int, times: int, quiet_s: float, seed: int) -> Run:
    """Quiet, flood, quiet again; then wait for the fold and count."""
    world = made(settings, phones=LATE_PHONES + LIVE // 2, cameras=LATE_CAMERAS + LIVE // 2, offices=0,
                 people=PEOPLE)  # fmt: skip
    by_kind = {kind: [each for each in world.devices if each.kind == kind] for kind in ("gate_phone", "camera")}
    late = by_kind["gate_phone"][:LATE_PHONES] + by_kind["camera"][:LATE_CAMERAS]
    at_once = by_kind["gate_phone"][LATE_PHONES:] + by_kind["camera"][LATE_CAMERAS:]
    count -= count % len(late)
    web = Web(settings)
    with running(web):
        ready, go, stop = SPAWN.Event(), SPAWN.Event(), SPAWN.Event()
        hears, tells = SPAWN.Pipe(duplex=False)
        flooding = SPAWN.Process(target=flood, args=(world, late, web.port, count, times, seed, ready, go))
        living = SPAWN.Process(target=live, args=(world, at_once, web.port, seed, stop, tells))
        flooding.start()
        ready.wait(300)
        living.start()
        time.sleep(2)  # warm
        begun = time.monotonic()
        time.sleep(quiet_s)
        flood_begun = time.monotonic()
        go.set()
        flooding.join(1_800)
        flood_ended = time.monotonic()
        assert flooding.exitcode == 0
        folded_s = _folded(settings, flood_ended)
        calm = time.monotonic()
        time.sleep(quiet_s)
        ended = time.monotonic()
        stop.set()
        answers: Answers = hears.recv()
        living.join(60)
        assert living.exitcode == 0
    quiet, during = [(begun, flood_begun), (calm, ended)], [(flood_begun, flood_ended)]
    rows, in_tray = _counted(settings)
    return Run(
        count, times, flood_ended - flood_begun, folded_s, answers.p99_ms(quiet), answers.p99_ms(during),
        (_median_ms(answers, quiet), _median_ms(answers, during)), answers.refused, rows,
        count + len(answers.took) - answers.refused, in_tray,
    )  # fmt: skip


def _median_ms(answers: Answers, spans: Sequence[tuple[float, float]]) -> float:
    found = [took for sent, took in answers.took if any(a <= sent < b for a, b in spans)]
    return 1000 * statistics.median(found) if found else math.nan


def _folded(settings: Settings, since: float) -> float:
    """Seconds until the fold had caught up (a few marks of live reports are always there)."""
    core = build_core(settings)

    def caught_up() -> bool:
        with core.db.read() as tx:
            packs = tx.execute(select(dirty.c.marks)).scalars().all()
        return sum(1 if each is None else len(list(unpacked(each))) for each in packs) < 100

    try:
        wait_until(caught_up, "the fold", 1_800)
        return time.monotonic() - since
    finally:
        core.db.close()


def _counted(settings: Settings) -> tuple[int, int]:
    core = build_core(settings)
    try:
        with core.db.read() as tx:
            kept, lying = (tx.execute(select(func.count()).select_from(each)).scalar_one() for each in (reports, tray))
            return int(kept), int(lying)
    finally:
        core.db.close()


def figures(store: str, found: Run) -> dict[str, Figure]:
    ratio = found.during_ms / found.quiet_ms
    sent = found.count * found.times
    return {
        f"{store}: reports too many, missing or in the tray": Figure(
            abs(found.rows - found.expected) + found.in_tray, "reports", 0, f"{found.expected} expected", most=True
        ),
        f"{store}: the flood": Figure(
            sent / found.took_s, "reports/s", None, f"{found.count} reports x {found.times} in {found.took_s:.1f} s"
        ),
        f"{store}: live p99 without the flood": Figure(
            found.quiet_ms, "ms", None, f"median {found.median_ms[0]:.1f} ms"
        ),
        f"{store}: live p99 in the flood": Figure(
            found.during_ms, "ms", None, f"median {found.median_ms[1]:.1f} ms; {found.refused} refused"
        ),
        f"{store}: live p99 in the flood, against without": Figure(ratio, "x", 2, "the same devices before", most=True),
        f"{store}: folded after the flood": Figure(found.folded_s, "s", None, ""),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--quick", action="store_true")
    options.add_argument("--postgresql", action="store_true", help="only there (else on both stores)")
    options.add_argument("--sqlite", action="store_true", help="only there (else on both stores)")
    options.add_argument("--times", type=int, default=3, help="how often each report is sent (3 to 10)")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    count, quiet_s = (10_000, 6.0) if chosen.quick else (100_000, 20.0)
    found: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as folder:
        if not chosen.postgresql:
            settings = Settings(data_dir=Path(folder) / "sqlite")
            found |= figures("SQLite", run(settings, count, chosen.times, quiet_s, chosen.seed))
        if not chosen.sqlite:
            with postgresql_server() as url:
                settings = Settings(data_dir=Path(folder) / "postgresql", database_url=url)
                found |= figures("PostgreSQL", run(settings, count, chosen.times, quiet_s, chosen.seed))
    print(shown(found, chosen.json))


if __name__ == "__main__":
    main()
