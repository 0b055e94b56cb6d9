"""Made-up histories of any size, put into a store as fast as the store takes them."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

from community_flow.adapters.keys import KeyRing
from community_flow.adapters.sql.migrate import upgrade
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.domain.places import Device, Pass, Person
from community_flow.domain.reports import KeptReport
from community_flow.services.registry import Change
from community_flow.settings import Settings
from community_flow.wiring.core import build_core
from tests.factories import small_community
from tests.fakes_flow import CAMERA, DAY_MS, MORNING_MS, FlowKit

HOUR_MS = 3_600_000
SCANS_A_DAY = 8
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
SENSORS = {"east": "d_aaaaaaaaaaaa", "clinic-door": "d_bbbbbbbbbbbb"}


def person(number: int) -> str:
    return "p_" + "".join(LETTERS[number >> shift & 31] for shift in range(55, -5, -5))


def card(number: int) -> str:
    return "ps_" + number.to_bytes(16, "big").hex()


def day_of(rng: random.Random, start_ms: int) -> Iterator[tuple[int, str, str]]:
    """(time, gate, direction) of one person's day: out, in, the clinic, twice; a scan now and then lost."""
    moments = sorted(start_ms + int(rng.random() * 14 * HOUR_MS) for _ in range(SCANS_A_DAY))
    way = [("east", "out"), ("east", "in"), ("clinic-door", "in"), ("clinic-door", "out")] * 2
    for t_ms, (gate, direction) in zip(moments, way, strict=True):
        if rng.random() > 0.03:
            yield t_ms, gate, direction


def bodies(rng: random.Random, scans: list[tuple[int, str, str]]) -> Iterator[tuple[int, str, str]]:
    """What the camera at the east gate makes of them: a few not seen, a few who walked in behind."""
    for t_ms, gate, direction in scans:
        if gate == "east" and rng.random() > 0.02:
            for _ in range(1 + (rng.random() < 0.03)):
                yield t_ms + int(rng.random() * 3000), gate, direction


def history(people: int, seed: int = 7) -> Iterator[tuple[Any, ...]]:
    """Rows of `reports`, day after day without end: two in three are scans, the others bodies that a camera saw."""
    rng, seqs = random.Random(seed), count(1)
    start_ms = MORNING_MS
    while True:
        rows: list[tuple[int, str, str, bytes | None]] = []
        for number in range(people):
            ref, scans = number.to_bytes(16, "big"), list(day_of(rng, start_ms))
            rows += [(*scan, ref) for scan in scans]
            rows += [(*body, None) for body in bodies(rng, scans)]
        rows.sort(key=lambda row: row[0])
        yield from (_kept(next(seqs), *row) for row in rows)
        start_ms += DAY_MS


def _kept(seq: int, t_ms: int, gate: str, direction: str, ref: bytes | None) -> tuple[Any, ...]:
    scanned = ref is not None
    return tuple(
        KeptReport(
            SENSORS[gate] if scanned else CAMERA, 30_514_159_265, seq, "garden", "scan" if scanned else "count", t_ms,
            t_ms, 0, t_ms, gate, direction, ref, None, None, None, 1 if scanned else 0, "card" if scanned else None,
            "allow" if scanned else None, "ok" if scanned else None, scanned, False, None, 1, None if scanned else 1,
            None, None if scanned else '{"confidence":0.94}', b"", False,
        )
    )  # fmt: skip


@contextmanager
def community(people: int, url: str | None = None) -> Iterator[FlowKit]:
    """A fresh installation with people, their cards and a camera; on SQLite, or on an empty PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="flow-bench-") as folder:
        settings = Settings(data_dir=Path(folder), database_url=url)
        KeyRing(settings.data_dir / "keys").ensure()
        upgrade(settings.store_url)
        kit = FlowKit(build_core(settings))
        small_community(kit.core)
        changes = [Change("garden", "person", person(each), 0, Person()) for each in range(people)]
        changes += [Change("garden", "pass", card(each), 0, Pass(person=person(each))) for each in range(people)]
        camera = Device(names={"en": "East"}, gate="east", kind="camera")
        kit.register(*changes, Change("garden", "device", CAMERA, 0, camera))
        kit.flow.drain()
        yield kit
        kit.core.db.close()


def load(kit: FlowKit, rows: Iterator[tuple[Any, ...]], size: int) -> None:
    """Put the next ``size`` reports in, without marks."""
    names = ", ".join(KeptReport._fields)
    with kit.core.db.write() as tx:
        cursor: Any = tx.connection.cursor()
        if kit.core.db.is_sqlite:
            marks = ", ".join("?" * len(KeptReport._fields))
            cursor.executemany(f"INSERT INTO reports ({names}) VALUES ({marks})", islice(rows, size))
            return
        with cursor.copy(f"COPY {reports.name} ({names}) FROM STDIN") as copy:
            for row in islice(rows, size):
                copy.write_row(row)
