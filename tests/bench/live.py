"""How soon a report is on the live page while 500 come in every second.

    python -m tests.bench.live [--json] [--quick] [--postgresql]

Fifty cameras, each at a gate of its own, send one report at a time by a timetable that does not wait for answers.
Beside them somebody asks for the live page as its script does (every 500 ms, with the tag of what is shown) and reads
"entries today": the k-th report is visible at the first answer that counts at least k.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import statistics
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from community_flow.domain.scope import Role
from community_flow.settings import Settings
from community_flow.wiring.core import build_core
from sensors import wire
from tests.bench._blast import Shots, blast, post
from tests.bench._figures import Figure, options, shown
from tests.bench._gates import gate, gates_with_cameras
from tests.conftest import serving
from tests.factories import an_account
from tests.services import postgresql_server, redis_server

GATES, RATE = 50, 500
ASK_S = 0.5
"""As web/static/live.js."""
ENTRIES = re.compile(r"Entries today</div>\s*<div class=\"figure-value\">([\d,]+)<")
LEAD_S = 3.0


@dataclass
class Onlooker(threading.Thread):
    """Asks for the page; notes (when the answer was there, entries that it shows)."""

    port: int
    token: str
    seen: list[tuple[float, int]] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        tag = ""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as line:
            while not self.ended.is_set():
                begun_s = time.time()
                tag = self._ask(line, tag) or tag
                self.took_s.append(time.time() - begun_s)
                self.ended.wait(ASK_S)

    def _ask(self, line: http.client.HTTPConnection, tag: str) -> str | None:
        headers = {"Authorization": f"Bearer {self.token}", "Accept-Language": "en", "If-None-Match": tag}
        line.request("GET", "/live/now?community=garden", headers=headers)
        answer = line.getresponse()
        page = answer.read().decode()
        if answer.status == 200 and (found := ENTRIES.search(page)):
            self.seen.append((time.time(), int(found.group(1).replace(",", ""))))
        return answer.getheader("ETag")


def timetable(tokens: list[str], seconds: int, start_s: float) -> list[list[bytes]]:
    """Requests of each camera; each report is dated with the moment at which it is due."""
    each = seconds * RATE // GATES
    apart_s = GATES / RATE

    def request(place: int, token: str, number: int) -> bytes:
        at = int(1000 * (start_s + apart_s * (number + place / GATES)))
        report = wire.Count(
            boot=1 + place, seq=number + 1, at=at, gate=gate(place), direction="in", n=1, confidence=0.94
        )
        return post(wire.PATH, wire.body("b", [report.encode()]), token)

    return [[request(place, token, number) for number in range(each)] for place, token in enumerate(tokens)]


def delays_s(shots: Shots, seen: list[tuple[float, int]]) -> list[float]:
    """From sending to seeing, of every report."""
    moments, counts = [at_s for at_s, _ in seen], [count for _, count in seen]
    found = []
    for rank, sent_s in enumerate(sorted(shots.sent_s), 1):
        place = bisect_left(counts, rank)
        if place == len(counts):
            raise SystemExit(f"report {rank} was never shown: the last page counts {counts[-1] if counts else 0}")
        found.append(moments[place] - sent_s)
    return found


def measured(settings: Settings, seconds: int) -> dict[str, Figure]:
    tokens = gates_with_cameras(settings, GATES)
    core = build_core(settings)
    manager = an_account(core, Role.MANAGER)
    token = core.accounts.make_token(manager.account, "bench", "test")
    core.db.close()
    with serving(settings) as server:
        port = urlsplit(server.url).port or 0
        onlooker = Onlooker(port, token)
        onlooker.start()
        start_s = time.time() + LEAD_S
        shots = blast(port, timetable(tokens, seconds, start_s), pause_s=GATES / RATE, start_s=start_s)
        time.sleep(2 * ASK_S + 2)  # the page goes on asking
        onlooker.ended.set()
        onlooker.join()
    delays = sorted(delays_s(shots, onlooker.seen))
    store = "PostgreSQL" if settings.database_url else "embedded"
    p99_s, middle_s = delays[int(0.99 * len(delays))], statistics.median(delays)
    return {
        f"report to live page, p99, {store}": Figure(
            p99_s, "s", 1.0, f"median {middle_s:.2f} s; the page asks every {ASK_S} s", most=True
        ),
        f"reports a second meanwhile, {store}": Figure(
            len(delays) / (max(shots.sent_s) - min(shots.sent_s)), "reports/s", 0.95 * RATE, "asked for"
        ),
        f"answer to a report, p99, {store}": Figure(
            1000 * shots.quantile_s(0.99), "ms", None, f"median {1000 * shots.quantile_s(0.5):.1f} ms"
        ),
        f"answer to the page, median, {store}": Figure(1000 * statistics.median(onlooker.took_s), "ms", None, ""),
    }


@contextlib.contextmanager
def production(folder: Path) -> Iterator[Settings]:
    with postgresql_server() as url, redis_server() as redis_url:
        yield Settings(data_dir=folder / "postgresql", database_url=url, redis_url=redis_url)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--postgresql", action="store_true", help="PostgreSQL and Redis as well")
    chosen = parser.parse_args()
    seconds = 10 if chosen.quick else 60
    with tempfile.TemporaryDirectory() as name:
        found = measured(Settings(data_dir=Path(name) / "embedded"), seconds)
        if chosen.postgresql or not chosen.quick:
            with production(Path(name)) as settings:
                found |= measured(settings, seconds)
    print(shown(found, chosen.json))


if __name__ == "__main__":
    main()
