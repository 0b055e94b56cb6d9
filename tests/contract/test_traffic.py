"""What keeps traffic in order: one suite for the memory twins and for those on a real Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from community_flow.adapters import redis_traffic
from community_flow.adapters.memory_traffic import MemoryLimits, MemoryOnce, MemoryRecentIds, MemorySignals
from community_flow.adapters.redis_traffic import RedisLimits, RedisLink, RedisOnce, RedisRecentIds, RedisSignals
from community_flow.adapters.sql.signals import PostgresSignals
from community_flow.adapters.sql.store import SqlDatabase
from tests.services import PATIENCE_S, free_port, wait_until


@dataclass
class Twins:
    limits: Any
    recent: Any
    signals: Any
    once: Any


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that is slow is not away, nor does it forget a bucket whose time a test tells."""
    lasting = redis_traffic.BUCKET.replace("+ 1000)", "+ 600000)")
    assert lasting != redis_traffic.BUCKET
    monkeypatch.setattr(redis_traffic, "BUCKET", lasting)
    monkeypatch.setattr(redis_traffic, "TIMEOUT_S", PATIENCE_S)


@pytest.fixture(params=["memory", "redis", "postgresql"])
def twins(request: pytest.FixtureRequest) -> Iterator[Twins]:
    if request.param == "postgresql":  # only its signals are of another kind
        db = SqlDatabase(request.getfixturevalue("postgresql_url"))
        yield Twins(MemoryLimits(10, 20), MemoryRecentIds(), PostgresSignals(db), MemoryOnce())
        db.close()
        return
    if request.param == "memory":
        yield Twins(MemoryLimits(10, 20), MemoryRecentIds(), MemorySignals(), MemoryOnce())
        return
    link = RedisLink(request.getfixturevalue("redis_url"), pytest.fail)
    link.client.flushdb()
    yield Twins(RedisLimits(link, 10, 20), RedisRecentIds(link), RedisSignals(link), RedisOnce(link))
    link.close()


def test_a_bucket_empties_and_fills_again(twins: Twins) -> None:
    assert [twins.limits.wait_s("d", 10, 1_000) for _ in range(2)] == [0, 0]
    assert twins.limits.wait_s("d", 10, 1_000) == pytest.approx(1.0)
    assert twins.limits.wait_s("other", 10, 1_000) == 0
    assert twins.limits.wait_s("d", 10, 1_500) == pytest.approx(0.5)  # being refused costs nothing
    assert twins.limits.wait_s("d", 10, 2_000) == 0


def test_what_costs_more_than_a_whole_bucket_waits_for_a_full_one(twins: Twins) -> None:
    assert twins.limits.wait_s("d", 500, 1_000) == 0
    assert twins.limits.wait_s("d", 500, 2_000) == pytest.approx(1.0)
    assert twins.limits.wait_s("d", 500, 3_000) == 0


def test_a_clock_that_goes_back_gives_nothing_away(twins: Twins) -> None:
    assert twins.limits.wait_s("d", 20, 100_000) == 0
    assert twins.limits.wait_s("d", 20, 1_000) > 0


def test_ids_are_known_by_device_boot_and_number(twins: Twins) -> None:
    twins.recent.remember([("d", [(1, 999), (1, 1000)]), ("d", [(2, 5)]), ("f", [(1, 7)])])
    asked = [("d", [(1, 999), (1, 1000), (1, 1001), (2, 5), (2, 999)]), ("e", [(1, 999)]), ("d", []), ("f", [(1, 7)])]
    assert twins.recent.known(asked) == [{(1, 999), (1, 1000), (2, 5)}, set(), set(), {(1, 7)}]
    assert twins.recent.known([]) == []
    assert twins.recent.known([("d", [])]) == [set()]
    twins.recent.remember([])
    twins.recent.remember([("d", [])])


def test_a_version_changes_with_each_bump_of_its_community(twins: Twins) -> None:
    before, other = twins.signals.version("a"), twins.signals.version("b")
    assert twins.signals.version("a") == before
    twins.signals.bump("a")
    after = twins.signals.version("a")
    twins.signals.bump("a")
    assert len({before, after, twins.signals.version("a")}) == 3
    assert twins.signals.version("b") == other


def test_a_waiter_is_woken_with_the_communities_that_called(twins: Twins) -> None:
    def hears() -> bool:
        twins.signals.wake("a")
        return bool(twins.signals.wait(0.05))

    wait_until(hears, "a wake-up")  # Redis confirms first that we listen, and that ends a wait with nothing
    heard: list[set[str]] = []
    waiter = threading.Thread(target=lambda: heard.append(twins.signals.wait(PATIENCE_S)))
    waiter.start()
    time.sleep(0.1)
    twins.signals.wake("a")
    waiter.join(PATIENCE_S)
    assert heard == [{"a"}]


def test_a_waiter_that_nobody_calls_gives_up_in_time(twins: Twins) -> None:
    begun = time.monotonic()
    assert twins.signals.wait(0.2) == set()
    assert time.monotonic() - begun > 0.15


def test_one_time_things_are_given_to_one_taker(twins: Twins) -> None:
    assert twins.once.put("challenge:1", "east", 60)
    assert not twins.once.put("challenge:1", "west", 60)
    assert twins.once.look("challenge:1") == "east"
    taken: list[str | None] = []
    takers = [threading.Thread(target=lambda: taken.append(twins.once.take("challenge:1"))) for _ in range(8)]
    for each in takers:
        each.start()
    for each in takers:
        each.join(PATIENCE_S)
    assert sorted(map(str, taken)) == ["None"] * 7 + ["east"]
    assert twins.once.take("challenge:2") is None


def test_one_time_things_end(twins: Twins) -> None:
    twins.once.put("nonce", "x", 0.05)
    time.sleep(0.1)
    assert twins.once.look("nonce") is None
    assert twins.once.put("nonce", "y", 60)
    assert twins.once.take("nonce") == "y"


@pytest.fixture
def nowhere() -> Iterator[tuple[RedisLink, list[str]]]:
    """A link to a Redis that is away, and what was counted."""
    counted: list[str] = []
    link = RedisLink(f"redis://127.0.0.1:{free_port()}/0", counted.append)
    yield link, counted
    link.close()


def test_without_redis_everything_is_slower_and_nothing_wrong(nowhere: tuple[RedisLink, list[str]]) -> None:
    link, counted = nowhere
    limits = RedisLimits(link, 10, 20)
    assert [limits.wait_s("d", 10, 1_000) for _ in range(3)] == [0, 0, pytest.approx(1.0)]
    recent = RedisRecentIds(link)
    recent.remember([("d", [(1, 1)])])
    assert recent.known([("d", [(1, 1)])]) == [set()]
    signals = RedisSignals(link)
    assert signals.version("a") != signals.version("a")
    signals.bump("a")
    signals.wake("a")
    assert signals.wait(0.01) == set()
    once = RedisOnce(link)
    assert not once.put("k", "v", 60)
    assert once.take("k") is None
    assert set(counted) == {"limits", "recent", "signals", "once"}
    assert "does not answer" in str(link.ping())


@pytest.mark.redis
def test_a_bump_that_redis_did_not_hear_is_told_when_it_is_back(redis_url: str) -> None:
    link = RedisLink(redis_url, lambda part: None)
    signals, others = RedisSignals(link), RedisSignals(RedisLink(redis_url, pytest.fail))
    before = others.version("a")
    link._rest_until = time.monotonic() + 60  # as after a failure
    signals.bump("a")
    assert others.version("a") == before
    link._rest_until = 0
    signals.version("b")
    assert others.version("a") != before
    link.close()
    others.link.close()
