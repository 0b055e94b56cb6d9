"""A store that is away for a while, or hangs: who reports is told to wait, nobody hangs with it, nothing is lost."""

from __future__ import annotations

import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from community_flow.settings import Settings
from tests.services import PATIENCE_S, wait_until
from tests.survival.judge import judge
from tests.survival.parts import Part, PostgresPart, RedisPart, Web, running
from tests.survival.senders import Load
from tests.survival.world import made

AWAY_S = [5, pytest.param(60, marks=pytest.mark.slow)]
"""The path is the same after the first seconds; a minute is what is promised."""


def judged(settings: Settings, load: Load, web: Web) -> None:
    """Everything is answered at last; then nothing is lost, doubled or different."""
    load.wait_for(60)
    load.finish()
    verdict = judge(settings, load.heard)
    print(f"{verdict}; answers {dict(load.heard.statuses)}, {load.heard.broken_lines} broken connections")
    assert (verdict.lost, verdict.doubled, verdict.differing) == (0, 0, [])
    assert set(load.heard.statuses) <= {200, 429, 503}
    assert load.heard.without_remedy == 0


def alive(web: Web) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{web.port}/healthz", timeout=PATIENCE_S) as answer:
        return bool(answer.status == 200)


@pytest.mark.parametrize("away_s", AWAY_S)
def test_postgresql_is_away(postgres: PostgresPart, tmp_path: Path, away_s: int, seed: int) -> None:
    settings = Settings(data_dir=tmp_path / "var", database_url=postgres.url)
    world, web = made(settings), Web(settings)
    with running(web), Load(world, web.port, seed) as load:
        load.wait_for(60)
        postgres.kill_9()
        wait_until(lambda: load.heard.statuses[503] > 0, "a refusal")
        time.sleep(away_s)
        before = load.answered()
        assert alive(web)
        assert load.answered() == before, "nothing can be promised while the store is away"
        postgres.start()
        judged(settings, load, web)


@pytest.mark.parametrize("away_s", AWAY_S)
def test_a_postgresql_that_hangs_hangs_nobody(postgres: PostgresPart, tmp_path: Path, away_s: int, seed: int) -> None:
    """Stopped, not ended: its connections stay open and say nothing."""
    settings = Settings(data_dir=tmp_path / "var", database_url=postgres.url)
    world, web = made(settings), Web(settings)
    with running(web), Load(world, web.port, seed) as load:
        load.wait_for(60)
        postgres.freeze()
        try:
            wait_until(lambda: load.heard.statuses[503] >= 20, "a refusal of everybody, soon and again", 60)
            assert alive(web)
            time.sleep(away_s)
        finally:
            postgres.thaw()
        judged(settings, load, web)


def without(redis: Part, how: str) -> None:
    redis.kill_9() if how == "killed" else redis.freeze()


def again(redis: Part, how: str) -> None:
    redis.start() if how == "killed" else redis.thaw()


@pytest.mark.parametrize("away_s", AWAY_S)
@pytest.mark.parametrize(("settings", "how"), [("sqlite", "killed"), ("postgresql", "stopped")], indirect=["settings"])
def test_without_redis_everything_goes_on(
    settings: Settings, redis_part: RedisPart, away_s: int, how: str, seed: int
) -> None:
    settings = replace(settings, redis_url=redis_part.url)
    world, web = made(settings), Web(settings)
    with running(web), Load(world, web.port, seed) as load:
        load.wait_for(60)
        without(redis_part, how)
        end = time.monotonic() + away_s
        while time.monotonic() < end:
            load.wait_for(20)
        again(redis_part, how)
        judged(settings, load, web)
        # Where the machine stood still for seconds the store was silent, and that is said to whoever reports.
        assert set(load.heard.statuses) == {200} or "store silent" in web.log(), "Redis never decides what is kept"
