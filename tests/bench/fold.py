"""How fast reports become passages and visits, and what one late report costs as history grows.

python -m tests.bench.fold [--json] [--quick]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from community_flow.adapters.keys import KeyRing
from community_flow.adapters.sql.migrate import upgrade
from community_flow.domain.fold import fold
from community_flow.domain.journal import Entry, Journal
from community_flow.domain.passages import Scan, report_key
from community_flow.domain.places import Community, Device, Gate, Pass, Person, Zone
from community_flow.domain.rulebook import Rulebook
from community_flow.services.registry import Change
from community_flow.settings import Settings
from community_flow.wiring.core import build_core
from tests.factories import small_community
from tests.fakes_flow import CAMERA, DAY_MS, DEVICE, MORNING_MS, FlowKit, count, scan

HOUR_MS = 3_600_000
PER_DAY = 8


def person(number: int) -> str:
    return "p_" + "".join("abcdefghijklmnopqrstuvwxyz234567"[number >> shift & 31] for shift in range(55, -5, -5))


def card(number: int) -> str:
    return "ps_" + number.to_bytes(16, "big").hex()


def day_of(rng: random.Random, start_ms: int) -> Iterator[tuple[int, str, str]]:
    """(time, gate, direction) of one person's day: out, in, the clinic, twice; a scan now and then lost."""
    moments = sorted(rng.sample(range(start_ms, start_ms + 14 * HOUR_MS, 7_001), PER_DAY))
    way = [("east", "out"), ("east", "in"), ("clinic-door", "in"), ("clinic-door", "out")] * 2
    for t_ms, (gate, direction) in zip(moments, way, strict=True):
        if rng.random() > 0.03:
            yield t_ms, gate, direction


def pure(people: int, days: int) -> float:
    """Reports a second of the fold alone, on one core."""
    rng = random.Random(7)
    rules = Rulebook(Journal("garden", _entries()))
    subjects = []
    for number in range(people):
        rows = (row for day in range(days) for row in day_of(rng, MORNING_MS + day * DAY_MS))
        scans = [
            Scan(report_key(t, DEVICE, 1, seq), t, DEVICE, 1, seq, gate, direction, True)
            for seq, (t, gate, direction) in enumerate(rows)
        ]
        subjects.append((person(number), sorted(scans, key=lambda each: each.key)))
    began = time.process_time()
    for name, scans in subjects:
        fold(scans, rules, name)
    return sum(len(scans) for _, scans in subjects) / (time.process_time() - began)


def _entries() -> list[Entry]:
    rows: list[tuple[str, str, Any]] = [
        ("community", "garden", Community(names={"en": "G"}, area="a")),
        ("zone", "compound", Zone(names={"en": "C"}, kind="compound")),
        ("zone", "clinic", Zone(names={"en": "K"}, kind="room", parent="compound")),
        ("gate", "east", Gate(names={"en": "E"}, inner="compound")),
        ("gate", "clinic-door", Gate(names={"en": "D"}, inner="clinic", outer="compound")),
    ]
    return [
        Entry(number, "garden", kind, entity, 0, msgspec.to_builtins(data))
        for number, (kind, entity, data) in enumerate(rows)
    ]


@contextmanager
def store(people: int) -> Iterator[FlowKit]:
    """A fresh SQLite installation with people and their cards."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        KeyRing(settings.data_dir / "keys").ensure()
        upgrade(settings.store_url)
        kit = FlowKit(build_core(settings))
        small_community(kit.core)
        changes = [Change("garden", "person", person(each), 0, Person()) for each in range(people)]
        changes += [Change("garden", "pass", card(each), 0, Pass(person=person(each))) for each in range(people)]
        camera = Device(names={"en": "West"}, gate="west", kind="camera")
        kit.register(*changes, Change("garden", "device", CAMERA, 0, camera))
        kit.flow.drain()
        yield kit
        kit.core.db.close()


def stream(people: int, days: int, seed: int = 7) -> list[dict[str, Any]]:
    """Reports of so many people and days: two scans in three, the rest counts of a camera."""
    rng = random.Random(seed)
    rows = []
    for day in range(days):
        start_ms = MORNING_MS + day * DAY_MS
        for number in range(people):
            for t_ms, gate, direction in day_of(rng, start_ms):
                rows.append(scan(t_ms, card(number), gate, direction))
            rows += [
                count(rng.randrange(start_ms, start_ms + 14 * HOUR_MS), direction=rng.choice(("in", "out")))
                for _ in range(PER_DAY // 2)
            ]
    return sorted(rows, key=lambda row: row["t_ms"])


def through_store(people: int, days: int) -> tuple[float, list[tuple[int, float]]]:
    """Reports a second through the store, and [(reports kept, ms for one late report)]."""
    rows = stream(people, days)
    with store(people) as kit:
        kit.keep_many(rows)
        began = time.process_time()
        kit.flow.drain()
        speed = len(rows) / (time.process_time() - began)
        late = [_late_ms(kit, people, day) for day in range(3)]
        return speed, [(len(rows), median(late))]


def _late_ms(kit: FlowKit, people: int, day: int) -> float:
    """One report of the first day, folded when everything after it is there."""
    row = scan(MORNING_MS + day * HOUR_MS + 12_345, card(day % people), "east", "out")
    kit.keep([row])
    began = time.perf_counter()
    kit.flow.drain()
    return (time.perf_counter() - began) * 1000


def measure(quick: bool) -> dict[str, dict[str, Any]]:
    speed = pure(200 if quick else 1000, 20)
    small, large = ((40, 5), (40, 40)) if quick else ((100, 10), (100, 200))
    sql_speed, first = through_store(*small)
    sql_large, second = through_store(*large)
    (few, few_ms), (many, many_ms) = first[0], second[0]
    return {
        "fold_pure": _figure(round(speed), "reports/s per core", 50_000, speed >= 50_000),
        "fold_sqlite": _figure(round(max(sql_speed, sql_large)), "reports/s per core", 20_000, sql_large >= 20_000),
        "late_report_small_history": _figure(round(few_ms, 1), f"ms at {few} reports", None, True),
        "late_report_large_history": _figure(
            round(many_ms, 1), f"ms at {many} reports", round(3 * few_ms, 1), many_ms <= 3 * few_ms
        ),
    }


def _figure(value: float, unit: str, bar: float | None, holds: bool) -> dict[str, Any]:
    return {"value": value, "unit": unit, "bar": bar, "peer": None, "holds": holds}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    figures = measure(asked.quick)
    if asked.json:
        print(msgspec.json.encode(figures).decode())
        return
    for name, figure in figures.items():
        mark = "ok" if figure["holds"] else "MISSED"
        print(f"{name:28} {figure['value']:>12,} {figure['unit']:28} bar {figure['bar'] or '-':>8}  {mark}")


if __name__ == "__main__":
    main()
