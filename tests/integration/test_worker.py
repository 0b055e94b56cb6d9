"""`worker` processes on PostgreSQL: they share the communities, lose nothing when killed, end when told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from community_flow.adapters.sql.tables_flow import dirty
from community_flow.settings import Settings
from tests.conftest import ROOT, prepared
from tests.factories import small_community
from tests.fakes_flow import MORNING_MS, FlowKit, count, scan
from tests.services import PATIENCE_S, wait_until

COMMUNITIES = ("garden", "orchard", "meadow")


@contextmanager
def worker(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ, "FLOW_DATA_DIR": str(settings.data_dir.resolve()), "PYTHONUNBUFFERED": "1",
        **({"FLOW_DATABASE_URL": settings.database_url} if settings.database_url else {}),
    }  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "community_flow", "worker"], cwd=ROOT, env=environment, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait(PATIENCE_S)


def keep(kit: FlowKit, start: int) -> None:
    """Reports of some people in each community."""
    for place, community in enumerate(COMMUNITIES):
        where: dict[str, Any] = {"community": community, "device": f"d_{place}aaaaaaaaaaa"}
        rows = [
            scan(MORNING_MS + (start + each) * 7_000, f"ps_{place:02x}{each % 40:030x}", "east", way, **where)
            for each in range(150)
            for way in ("in", "out")
        ]
        kit.keep_many([*rows, *(count(MORNING_MS + (start + each) * 9_000, **where) for each in range(50))])


def waiting(kit: FlowKit) -> int:
    with kit.core.db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(dirty)).scalar_one())


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
def test_workers_share_the_communities_and_a_killed_one_loses_nothing(settings: Settings, tmp_path: Path) -> None:
    core = prepared(settings)
    with closing(core.db):
        for community in COMMUNITIES:
            small_community(core, community)
        kit = FlowKit(core)
        with worker(settings, tmp_path / "one") as first, worker(settings, tmp_path / "two") as second:
            for log in ("one", "two"):
                wait_until(lambda log=log: "Folding." in (tmp_path / log).read_text(), f"worker {log}", 60)  # type: ignore[misc]
            for turn in range(4):
                keep(kit, turn * 200)
                if turn == 2:
                    first.send_signal(signal.SIGKILL)
            wait_until(lambda: waiting(kit) == 0, "an empty queue", 60)
            assert second.poll() is None, (tmp_path / "two").read_text()
            for community in COMMUNITIES:
                assert kit.flow.check(community) == []
            with core.db.read() as tx:
                assert kit.flow.fingerprint(tx, "orchard")["passages"][0] == 4 * 300
            second.send_signal(signal.SIGTERM)
            assert second.wait(60) == 0
            assert "Ended." in (tmp_path / "two").read_text()


def test_a_worker_refuses_sqlite_and_says_what_to_do(sqlite_settings: Settings, tmp_path: Path) -> None:
    prepared(sqlite_settings).db.close()
    with worker(sqlite_settings, tmp_path / "log") as process:
        assert process.wait(60) == 1
    assert "FLOW_DATABASE_URL" in (tmp_path / "log").read_text()
