"""/healthz, /readyz and /metrics of real servers whose store or Redis is away, hangs, or comes back."""

from __future__ import annotations

import http.client
import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis as redis_client

from community_flow.settings import Settings
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.conftest import LiveServer, _start, prepared, serving
from tests.factories import small_community
from tests.integration.test_kill import MANAGER, accepted
from tests.processes import frozen, parent_of, processes_of, send
from tests.services import PATIENCE_S, postgresql_server, redis_server, wait_until
from tests.stores import empty

SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


def get(server: LiveServer, path: str, patience_s: float = PATIENCE_S) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port or 0, timeout=patience_s)) as line:
        line.request("GET", path)
        answer = line.getresponse()
        body = answer.read().decode()
    return answer.status, json.loads(body) if answer.headers["Content-Type"].startswith("application/") else body


def told(server: LiveServer) -> tuple[int, str]:
    """Whether it is ready, in short."""
    status, found = get(server, "/readyz")
    return status, found["state"]


def figures(server: LiveServer, patience_s: float = PATIENCE_S) -> dict[str, float]:
    status, text = get(server, "/metrics", patience_s)
    assert status == 200
    found = (SERIES.match(line) for line in text.splitlines())
    return {f"{each[1]}{{{each[2] or ''}}}": float(each[3]) for each in found if each}


@pytest.fixture
def stores() -> Iterator[tuple[str, str]]:
    """A PostgreSQL and a Redis of this test's own, to be stopped and gone on with."""
    for database in _start(postgresql_server):
        for cache in _start(redis_server):
            yield database, cache


def postmaster(url: str) -> int:
    """The process that started all others of a PostgreSQL."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row
        return parent_of(row[0])


def test_what_hangs_hangs_no_probe(stores: tuple[str, str], tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "var", database_url=stores[0], redis_url=stores[1])
    core = prepared(settings)
    small_community(core)
    core.db.close()
    with redis_client.Redis.from_url(stores[1]) as client:
        redis_pid = int(client.info()["process_id"])
    with serving(settings) as server:
        all_well = {"ready": True, "state": "ok", "parts": dict.fromkeys(("store", "disk", "clock", "redis"), "ok")}
        wait_until(lambda: get(server, "/readyz") == (200, all_well), "a server that is ready")
        with frozen(redis_pid):
            wait_until(lambda: told(server) == (200, "degraded"), "word of Redis")
            assert get(server, "/readyz")[1]["parts"]["redis"] != "ok"
            assert figures(server)["flow_redis_up{}"] == 0
        wait_until(lambda: get(server, "/readyz")[1]["state"] == "ok", "Redis is seen again")
        with frozen(postmaster(stores[0])):
            wait_until(lambda: told(server) == (503, "not ready"), "word of the store")
            assert get(server, "/readyz")[1]["parts"]["store"].startswith(
                ("No answer within a second.", "The store does")
            )
            assert get(server, "/healthz") == (200, {"alive": True})
            assert figures(server)["flow_store_up{}"] == 0
        wait_until(lambda: get(server, "/readyz")[1]["state"] == "ok", "the store is seen again")
        wait_until(lambda: figures(server)["flow_store_up{}"] == 1, "each process sees the store again")


def test_a_scrape_is_right_whichever_worker_answers(postgresql_url: str, tmp_path: Path) -> None:
    """Two workers take reports; each scrape counts those of both, also after one of them was killed."""
    settings = Settings(data_dir=tmp_path / "var", database_url=postgresql_url)
    empty(postgresql_url)
    core = prepared(settings)
    small_community(core)
    made = ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", "east")
    core.db.close()
    with serving(settings) as server:
        port = urlsplit(server.url).port or 0
        wait_until(lambda: len(_workers(figures(server))) == 2, "both workers count")
        figures_folder, sent = settings.data_dir / "figures", 0
        while sent < 40 or min(_shares(figures_folder)) == 0:  # a connection each, so that both workers get some
            sent += 1
            assert sent < 4_000, "one worker takes everything, so this test shows nothing"
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as line:
                accepted(line, made.token, [one_count(sent).encode()])
        answers = [figures(server) for _ in range(12)]
        assert {_taken(each) for each in answers} == {sent}
        assert {each["flow_ingest_request_seconds_count{}"] for each in answers} == {_asked(answers[0])}
        assert _asked(answers[0]) >= sent
        assert {each["flow_bodies_total{}"] for each in answers} == {sent}
        before = set(processes_of(server.pid))
        pid = min(before - {server.pid})
        send([pid], signal.SIGKILL)
        # Until its end is noticed it is still counted; asked is a time at which another has taken its place.
        wait_until(lambda: len({*processes_of(server.pid)} - before) == 1, "another worker", 60)
        wait_until(lambda: _both_are_back(server), "the other worker counts", 60)
        assert figures(server)["flow_bodies_total{}"] == sent
        wait_until(lambda: "flow_fold_waiting{}" in figures(server), "the store's figures, which have a second")
        wait_until(lambda: _devices_at_work(figures(server)) == 1, "the device")


def _taken(found: dict[str, float]) -> float:
    """A duplicate is what was kept while the store counted as silent, so that it was sent again."""
    return sum(found.get(f'flow_reports_total{{outcome="{outcome}"}}', 0) for outcome in ("accepted", "duplicate"))


def _asked(found: dict[str, float]) -> float:
    """Requests with reports, refused ones too."""
    return sum(
        value
        for name, value in found.items()
        if name.startswith("flow_http_requests_total{") and 'route="/v1/reports"' in name
    )


def _devices_at_work(found: dict[str, float]) -> float:
    """Late after three minutes, so also where the machine is slow."""
    return sum(found.get(f'flow_devices{{state="{state}"}}', 0) for state in ("ok", "late"))


def one_count(seq: int) -> wire.Count:
    return wire.Count(boot=7, seq=seq, at=int(time.time() * 1000), gate="east", direction="in", n=1)


def _both_are_back(server: LiveServer) -> bool:
    try:
        return len(_workers(figures(server, patience_s=3))) == 2
    except (OSError, http.client.HTTPException):  # what the killed one had taken on
        return False


def _workers(found: dict[str, float]) -> set[str]:
    return {name for name in found if name.startswith("process_threads{")}


def _shares(folder: Path) -> list[float]:
    from community_flow.adapters.figures import _read_file

    return [
        sum(each.value for each in _read_file(path) if each.name == "bodies_total")
        for path in sorted(folder.glob("*.figures"))
    ]
