"""Half an hour at 1,000 reports a second on PostgreSQL: nothing lost, quick answers, flat memory.

    python -m tests.bench.soak [--json] [--quick] [--minutes N] [--embedded]

A hundred cameras send five reports a request by a timetable that does not wait for answers. Memory is what the
server's processes hold (RSS), read every five seconds; flat means that the last quarter holds at most a tenth more than
the second one. A row that waits for the fold holds the marks of one commit, some two hundred come a second. At the end
what was kept is counted.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Table, func, select

from community_flow.adapters.sql.tables_flow import dirty
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.settings import Settings
from community_flow.wiring.core import Core, build_core
from sensors import wire
from tests.bench._blast import Shots, blast, post
from tests.bench._figures import Figure, options, shown
from tests.bench._gates import crossing, gates_with_cameras, rss_bytes
from tests.conftest import serving
from tests.services import postgresql_server, redis_server

CAMERAS, SIZE, RATE = 100, 5, 1_000
LEAD_S, PART_S, REST_S = 3.0, 30, 5.0
"""The timetable is made in parts of half a minute, so that the client stays small."""


def part(tokens: list[str], number: int, start_s: float) -> list[list[bytes]]:
    """What each camera sends in one part, dated with the moment at which it is due."""
    apart_s = CAMERAS * SIZE / RATE
    bodies = int(PART_S / apart_s)

    def request(place: int, token: str, body: int) -> bytes:
        at_ms = int(1000 * (start_s + apart_s * (body + place / CAMERAS)))
        first = (number * bodies + body) * SIZE
        sent = [crossing(place, 1 + place, first + each + 1, at_ms - 100 * (SIZE - each)) for each in range(SIZE)]
        return post(wire.PATH, wire.body("b", sent), token)

    return [[request(place, token, body) for body in range(bodies)] for place, token in enumerate(tokens)]


@dataclass(frozen=True)
class Seen:
    """What was looked at every five seconds: bytes that the server's processes hold, rows that wait for the fold."""

    held: list[int]
    waiting: list[int]


@contextmanager
def watched(pid: int, core: Core) -> Iterator[Seen]:
    ended, seen = threading.Event(), Seen([], [])

    def look() -> None:
        while not ended.wait(5):
            seen.held.append(rss_bytes(pid))
            seen.waiting.append(_rows(core, dirty))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield seen
    ended.set()
    thread.join()


def run(settings: Settings, parts: int) -> dict[str, Figure]:
    tokens = gates_with_cameras(settings, CAMERAS)
    all_shots: list[Shots] = []
    core = build_core(settings)
    with closing(core.db), serving(settings) as server, watched(server.pid, core) as seen:
        port = urlsplit(server.url).port or 0
        start_s = time.time() + LEAD_S
        for number in range(parts):
            sent = part(tokens, number, start_s)
            all_shots.append(blast(port, sent, pause_s=CAMERAS * SIZE / RATE, start_s=start_s))
            start_s = max(start_s + PART_S, time.time() + 1)
        sent_reports = sum(len(each.latencies_s) for each in all_shots) * SIZE
        time.sleep(REST_S)
        kept, left = _rows(core, reports), _rows(core, dirty)
    waits = sorted(each for shots in all_shots for each in shots.latencies_s)
    early, late = _quarter(seen.held, 1), _quarter(seen.held, 3)
    return {
        "reports lost": Figure(sent_reports - kept, "reports", 0, f"of {sent_reports:,}", most=True),
        "reports a second": Figure(
            sent_reports / sum(each.took_s for each in all_shots), "reports/s", 0.95 * RATE, "asked for"
        ),
        "answer, p99": Figure(
            1000 * waits[int(0.99 * len(waits))], "ms", 250, f"median {1000 * waits[len(waits) // 2]:.1f} ms", most=True
        ),
        "memory, last quarter against the second": Figure(
            late / early, "x", 1.1, f"{early / 2**20:.0f} MiB, then {late / 2**20:.0f} MiB", most=True
        ),
        "rows of marks that wait, most": Figure(
            max(seen.waiting, default=0),
            "rows",
            None,
            f"median {statistics.median(seen.waiting or [0]):.0f}; at the end {left} after {REST_S:.0f} s of rest",
        ),
    }


def _quarter(held: list[int], number: int) -> float:
    width = max(1, len(held) // 4)
    return statistics.median(held[number * width : (number + 1) * width])


def _rows(core: Core, table: Table) -> int:
    with core.db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--minutes", type=float, default=None, help="instead of 30 (with --quick: of a half)")
    parser.add_argument("--embedded", action="store_true", help="on SQLite instead")
    chosen = parser.parse_args()
    minutes = chosen.minutes or (0.5 if chosen.quick else 30)
    parts = max(1, round(minutes * 60 / PART_S))
    with tempfile.TemporaryDirectory() as name:
        if chosen.embedded:
            found = run(Settings(data_dir=Path(name)), parts)
        else:
            with postgresql_server() as url, redis_server() as redis_url:
                found = run(Settings(data_dir=Path(name), database_url=url, redis_url=redis_url), parts)
    print(shown(found, chosen.json))


if __name__ == "__main__":
    main()
