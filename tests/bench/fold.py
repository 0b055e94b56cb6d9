"""How fast reports become passages and visits: the rules alone, rebuilds of whole communities on both stores, and what
reports and one late report cost as history grows.

    python -m tests.bench.fold [--json] [--quick]

Processor time of one core; on PostgreSQL that of its server process is counted too. There is no peer: a rebuild does
nothing that another program does. The ratios of the table (largest to smallest history) are what must hold everywhere.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from community_flow.domain.fold import fold
from community_flow.domain.journal import Entry, Journal
from community_flow.domain.passages import Scan, report_key
from community_flow.domain.places import Community, Gate, Zone
from community_flow.domain.rulebook import Rulebook
from tests.bench._history import card, community, day_of, history, load, person
from tests.fakes_flow import CAMERA, DAY_MS, DEVICE, MORNING_MS, FlowKit, count, scan
from tests.services import Missing, postgresql_server

HOUR_MS = 3_600_000
QUICK = {"pure": 200, "rebuild": 60_000, "sizes": (2_000, 20_000)}
FULL = {"pure": 1_000, "rebuild": 5_000_000, "sizes": (10_000, 100_000, 1_000_000, 10_000_000)}
TICKS = os.sysconf("SC_CLK_TCK")


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


def rebuilt(size: int, url: str | None = None) -> float:
    """Reports a second and core of a full rebuild that replaces tables which are there already."""
    with community(min(20_000, size // 100), url) as kit:
        load(kit, history(min(20_000, size // 100)), size)
        _rebuild(kit)
        return size / _rebuild(kit)


def _rebuild(kit: FlowKit) -> float:
    with kit.core.db.write() as tx:
        server = None if kit.core.db.is_sqlite else tx.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        before = _spent_s(server)
        kit.flow.rebuild(tx, "garden")
        after = _spent_s(server)
    return after - before


def _spent_s(server: int | None) -> float:
    own = time.process_time()
    if server is None:
        return own
    fields = Path(f"/proc/{server}/stat").read_text().rsplit(")", 1)[1].split()
    return own + (int(fields[11]) + int(fields[12])) / TICKS


def growing(sizes: tuple[int, ...]) -> Iterator[tuple[int, float, float, float]]:
    """(reports kept, µs a report of a rebuild, ms of one late scan, ms of one late count) as one history grows.

    The late ones are of its first day, and folded when all that came after is there."""
    with community(100) as kit:
        rows, kept = history(100), 0
        for size in sizes:
            load(kit, rows, size - kept)
            kept = size
            cost_s = _rebuild(kit)
            yield size, cost_s / size * 1e6, _late_ms(kit, _late_scan), _late_ms(kit, _late_count)


def _late_ms(kit: FlowKit, made: Callable[[int], dict[str, Any]]) -> float:
    spent = []
    for turn in range(5):
        kit.keep([made(turn)])
        before = time.process_time()
        kit.flow.drain()
        spent.append((time.process_time() - before) * 1000)
    return median(spent)


def _late_scan(turn: int) -> dict[str, Any]:
    return scan(MORNING_MS + (turn + 1) * HOUR_MS + 12_345, card(turn), "clinic-door", "in", device="d_llllllllllll")


def _late_count(turn: int) -> dict[str, Any]:
    return count(MORNING_MS + (turn + 1) * HOUR_MS + 23_456, gate="east", device=CAMERA, boot=2)


def measure(quick: bool) -> dict[str, dict[str, Any]]:
    chosen: dict[str, Any] = QUICK if quick else FULL
    size = chosen["rebuild"]
    speed = pure(chosen["pure"], 20)
    figures = {"fold_pure": _figure(round(speed), "reports/s per core", 50_000, speed >= 50_000)}
    speed = rebuilt(size)
    unit = f"reports/s per core, {size:,} reports"
    figures["rebuild_sqlite"] = _figure(round(speed), unit, 50_000, speed >= 50_000)
    with contextlib.suppress(Missing), postgresql_server() as url:
        figures["rebuild_postgresql"] = _figure(round(rebuilt(size, url)), unit, None, True)
    table = list(growing(chosen["sizes"]))
    names = (("rebuild_report", "µs", 2.0), ("late_scan", "ms", 3.0), ("late_count", "ms", 3.0))
    for place, (name, unit, most) in enumerate(names, 1):
        for row in table:
            figures[f"{name}_at_{row[0]}"] = _figure(round(row[place], 2), f"{unit} at {row[0]:,} reports", None, True)
        ratio = table[-1][place] / table[0][place]
        figures[f"{name}_growth"] = _figure(round(ratio, 2), "x from the first to the last", most, ratio <= most)
    return figures


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
        print(f"{name:28} {figure['value']:>12,} {figure['unit']:44} bar {figure['bar'] or '-':>8}  {mark}")


if __name__ == "__main__":
    main()
