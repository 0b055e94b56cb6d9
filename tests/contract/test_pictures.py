"""A picture is in memory for a minute and nowhere else: one suite for the memory twin and the one on a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from community_flow.adapters import redis_traffic
from community_flow.adapters.memory_pictures import MemoryPictures
from community_flow.adapters.redis_pictures import RedisPictures
from community_flow.adapters.redis_traffic import RedisLink
from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.scope import Role, Scope
from community_flow.ports.pictures import Answered, Asked
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.ingest import ingest_parts
from tests.contract.test_device_life import MANAGER, HandClock
from tests.factories import small_community
from tests.services import PATIENCE_S

JPEG = b"\xff\xd8\xff\xe0" + b"a still of the west gate" * 40 + b"\xff\xd9"
NOW_MS = 1_795_420_800_000


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that is slow is not away."""
    monkeypatch.setattr(redis_traffic, "TIMEOUT_S", PATIENCE_S)


@pytest.fixture
def clock() -> HandClock:
    return HandClock(NOW_MS)


@pytest.fixture(params=["memory", "redis"])
def pictures(request: pytest.FixtureRequest, clock: HandClock) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryPictures(clock)
        return
    link = RedisLink(request.getfixturevalue("redis_url"), pytest.fail)
    link.client.flushdb()
    yield RedisPictures(link, b"k" * 32, clock)
    link.close()


def asked(id: str = "w1", at_ms: int = NOW_MS) -> Asked:
    return Asked(id, "m", 0, at_ms)


def test_what_was_asked_for_is_given_to_who_knows_its_name(pictures: Any) -> None:
    assert pictures.ask("d", asked())
    assert pictures.asked("d") == asked()
    assert pictures.answered("d", "w1") is None
    assert pictures.answer("d", "w1", Answered(JPEG))
    assert pictures.answered("d", "w1") == Answered(JPEG)
    assert pictures.answered("d", "w2") is None
    assert pictures.answered("other", "w1") is None
    assert pictures.asked("d") is None  # the device is not asked twice


def test_what_nobody_asked_for_is_not_kept(pictures: Any) -> None:
    assert not pictures.answer("d", "w1", Answered(JPEG))
    pictures.ask("d", asked())
    assert not pictures.answer("d", "another", Answered(JPEG))
    assert pictures.answer("d", "w1", Answered(JPEG))
    assert not pictures.answer("d", "w1", Answered(b"second"))
    assert pictures.answered("d", "w1") == Answered(JPEG)


def test_it_is_gone_after_a_minute(pictures: Any, clock: HandClock) -> None:
    pictures.ask("d", asked())
    clock.at_ms += 59_999
    assert pictures.answer("d", "w1", Answered(JPEG))
    clock.at_ms += 59_999
    assert pictures.answered("d", "w1") == Answered(JPEG)
    clock.at_ms += 1
    assert pictures.answered("d", "w1") is None


def test_a_wish_ends_too(pictures: Any, clock: HandClock) -> None:
    pictures.ask("d", asked())
    clock.at_ms += 60_000
    assert pictures.asked("d") is None
    assert not pictures.answer("d", "w1", Answered(JPEG))


def test_a_new_wish_takes_the_place_of_the_old_one(pictures: Any) -> None:
    pictures.ask("d", asked())
    pictures.answer("d", "w1", Answered(JPEG))
    pictures.ask("d", asked("w2"))
    assert pictures.answered("d", "w1") is None
    assert pictures.asked("d") == asked("w2")
    pictures.forget("d")
    assert pictures.asked("d") is None


def test_memory_lets_go_of_a_picture_that_nobody_looks_for(clock: HandClock) -> None:
    pictures = MemoryPictures(clock)
    pictures.ask("d", asked())
    pictures.answer("d", "w1", Answered(JPEG))
    assert pictures.size() == 1
    clock.at_ms += 60_000
    assert pictures.size() == 0


def test_redis_holds_it_sealed_and_with_an_end(redis_url: str, clock: HandClock) -> None:
    link = RedisLink(redis_url, pytest.fail)
    link.client.flushdb()
    pictures = RedisPictures(link, b"k" * 32, clock)
    pictures.ask("d", asked())
    pictures.answer("d", "w1", Answered(JPEG))
    kept = {key: link.client.get(key) for key in link.client.keys("*")}
    assert kept
    for key, value in kept.items():
        assert "still of the west" not in value
        assert 0 < link.client.pttl(key) <= 60_000
    assert RedisPictures(link, b"another key" * 3, clock).answered("d", "w1") is None
    link.close()


# --- the service, on both stores --------------------------------------------------------------------------------------


def test_the_office_asks_and_only_the_asker_sees(core: Core) -> None:
    small_community(core)
    parts = ingest_parts(core)
    made = parts.devices.enrol(MANAGER, "garden", "camera", "west")
    trusted = parts.trust.of_token(made.token)
    assert trusted is not None
    if not core.db.is_sqlite:  # several servers may share the store, and this one keeps pictures to itself
        with pytest.raises(Conflict, match="FLOW_REDIS_URL"):
            parts.pictures.ask(MANAGER, made.device, 0)
        return
    wish = parts.pictures.ask(MANAGER, made.device, 0)
    assert parts.pictures.look(MANAGER, made.device, wish) is None
    for wrong in (b"", b"GIF89a", JPEG[:-2]):
        with pytest.raises(Invalid):
            parts.pictures.take(trusted, wish, wrong)
    parts.pictures.take(trusted, wish, JPEG)
    assert parts.pictures.look(MANAGER, made.device, wish) == Answered(JPEG)
    colleague = Scope("n", Role.MANAGER, frozenset({"garden"}))
    with pytest.raises(NotFound):
        parts.pictures.look(colleague, made.device, wish)
    with pytest.raises(NotFound):
        parts.pictures.take(trusted, wish, JPEG)
    (row,) = [each for each in core.audit.latest(MANAGER, before=None, limit=50) if each.action == "device.picture"]
    assert (row.account, row.subject, row.detail) == ("m", made.device, {"sensor": 0})


def test_with_redis_any_process_gives_the_picture_that_another_took(
    postgresql_url: str, redis_url: str, core: Core
) -> None:
    if core.db.is_sqlite:  # one process, without Redis
        return
    small_community(core)
    made = ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", "west")
    both = [build_core(replace(core.settings, redis_url=redis_url)) for _ in range(2)]
    page, device = (ingest_parts(each) for each in both)
    wish = page.pictures.ask(MANAGER, made.device, 0)
    trusted = device.trust.of_token(made.token)
    assert trusted is not None
    asked = device.pictures.wanted(trusted)
    assert asked is not None
    device.pictures.take(trusted, asked.id, JPEG)
    assert page.pictures.look(MANAGER, made.device, wish) == Answered(JPEG)
    for each in both:
        each.db.close()


def test_nothing_of_a_picture_is_on_the_disk(sqlite_core: Core) -> None:
    small_community(sqlite_core)
    parts = ingest_parts(sqlite_core)
    made = parts.devices.enrol(MANAGER, "garden", "camera", "west")
    trusted = parts.trust.of_token(made.token)
    assert trusted is not None
    wish = parts.pictures.ask(MANAGER, made.device, 0)
    parts.pictures.take(trusted, wish, JPEG)
    assert parts.pictures.look(MANAGER, made.device, wish) == Answered(JPEG)
    assert not holders(sqlite_core.settings.data_dir, JPEG[4:60])
    assert holders(sqlite_core.settings.data_dir, made.device.encode())  # the search finds what is there


def holders(folder: Path, needle: bytes) -> list[Path]:
    """Files that hold these bytes."""
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]
