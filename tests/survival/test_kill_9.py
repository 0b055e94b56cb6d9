"""kill -9 in the middle of a load, again and again: acknowledged and lost 0, doubled 0, a rebuild changes nothing."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from community_flow.settings import Settings
from tests.conftest import prepared
from tests.processes import send
from tests.services import wait_until
from tests.survival.judge import judge
from tests.survival.parts import Part, PostgresPart, RedisPart, Web, Worker, running
from tests.survival.senders import Load
from tests.survival.world import made

KILLS = [2, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]


def series(
    settings: Settings, web: Web, victim: Part, kills: int, seed: int, kill: Callable[[], None] | None = None
) -> None:
    """``kills`` times: let the load run for a random while, kill, start again."""
    world = made(settings)
    rng = random.Random(seed)
    with running(web), Load(world, web.port, seed) as load:
        for _ in range(kills):
            load.wait_for(60)
            time.sleep(rng.uniform(0, 0.8))
            (kill or victim.kill_9)()
            time.sleep(rng.uniform(0, 0.3))
            if victim.ended():
                victim.start()
        load.wait_for(60)
        load.finish()
        verdict = judge(settings, load.heard)
    print(f"{victim.name}: {kills} kills, {verdict}; answers {dict(load.heard.statuses)}, "
          f"{load.heard.broken_lines} broken connections")  # fmt: skip
    assert (verdict.lost, verdict.doubled, verdict.differing) == (0, 0, [])
    assert set(load.heard.statuses) <= {200, 429, 503}, "a store that is away is no fault of the program"
    assert load.heard.without_remedy == 0, "who is refused is told when to come again"
    assert victim.kills == kills


@pytest.mark.parametrize("kills", KILLS)
def test_web(settings: Settings, kills: int, seed: int) -> None:
    web = Web(settings)
    series(settings, web, web, kills, seed)


@pytest.mark.parametrize("kills", KILLS)
def test_postgresql(postgres: PostgresPart, tmp_path: Path, kills: int, seed: int) -> None:
    settings = Settings(data_dir=tmp_path / "var", database_url=postgres.url)
    series(settings, Web(settings), postgres, kills, seed)


@pytest.mark.parametrize("kills", KILLS)
def test_one_connection_of_postgresql(postgres: PostgresPart, tmp_path: Path, kills: int, seed: int) -> None:
    """The postmaster then throws everybody out and recovers, by itself."""
    settings = Settings(data_dir=tmp_path / "var", database_url=postgres.url)
    series(settings, Web(settings), postgres, kills, seed, postgres.kill_a_backend)


@pytest.mark.parametrize("kills", KILLS)
def test_redis(settings: Settings, redis_part: RedisPart, kills: int, seed: int) -> None:
    """It has forgotten everything each time: limits, recent ids, versions, wake-ups."""
    settings = replace(settings, redis_url=redis_part.url)
    series(settings, Web(settings), redis_part, kills, seed)


def test_the_server_ends_with_its_parent(sqlite_settings: Settings) -> None:
    """kill -9 of the supervisor alone must not leave a worker that holds the port and the file for ever."""
    made(sqlite_settings)
    web = Web(sqlite_settings)
    with running(web):
        assert web.process is not None
        assert len(web.pids()) > 1
        send([web.process.pid], signal.SIGKILL)
        web.gone()
        web.start()


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_one_worker_of_the_web(settings: Settings, kills: int, seed: int) -> None:
    """What runs short of memory is one process, not the server: another takes its place, by itself."""
    web = Web(settings)

    def kill_one() -> None:
        assert web.process is not None
        before = set(web.pids())
        victim = random.Random(seed).choice(sorted(before - {web.process.pid}))
        send([victim], signal.SIGKILL)
        web.kills += 1
        wait_until(lambda: victim not in web.pids() and len(web.pids()) == len(before), "another worker", 30)
        time.sleep(6)  # a worker that dies twice within seconds is taken for one that cannot start

    series(settings, web, web, kills, seed, kill_one)


@pytest.mark.parametrize("kills", KILLS)
def test_a_worker(postgres: PostgresPart, tmp_path: Path, kills: int, seed: int) -> None:
    """One of two that fold: what it was killed in the middle of is folded by the other, or by itself later."""
    settings = Settings(data_dir=tmp_path / "var", database_url=postgres.url)
    worker, other = Worker(settings), Worker(settings)
    prepared(settings).db.close()
    with running(other, worker):
        series(settings, Web(settings), worker, kills, seed)
