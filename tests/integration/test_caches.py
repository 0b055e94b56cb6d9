"""What a command changes is known to a running server within half a second, on both stores, with and without Redis."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from community_flow.domain.places import Gate
from community_flow.domain.scope import Role
from community_flow.services.registry import Change
from community_flow.settings import Settings
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.conftest import LiveServer, prepared, serving
from tests.factories import an_account, small_community
from tests.integration.test_kill import MANAGER
from tests.operations import command
from tests.services import PATIENCE_S
from tests.stores import empty

WITHIN_S = 0.5
PAUSE_S = 0.02
TIMES = [3, pytest.param(50, marks=pytest.mark.slow)]


@dataclass
class World:
    server: LiveServer
    settings: Settings
    core: Core

    def ask(self, method: str, path: str, token: str, body: bytes = b"", **headers: str) -> tuple[int, Any, str]:
        """(status, JSON or None, ETag). A connection each, so that every worker is asked; again where one is busy."""
        end = time.monotonic() + PATIENCE_S
        while (said := self._once(method, path, token, body, **headers))[0] == 503 and time.monotonic() < end:
            time.sleep(PAUSE_S)
        return said

    def _once(self, method: str, path: str, token: str, body: bytes, **headers: str) -> tuple[int, Any, str]:
        given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", urlsplit(self.server.url).port or 0, timeout=60)) as line:
            line.request(method, path, body, given)
            answer = line.getresponse()
            raw = answer.read()
        is_json = answer.headers.get("Content-Type", "").startswith("application/")
        return answer.status, json.loads(raw) if raw and is_json else None, answer.headers.get("ETag", "")

    def report(self, token: str, gate: str = "east", seq: int = 1) -> str:
        count = wire.Count(boot=int(time.time() * 1e6) % 2**40, seq=seq, at=int(time.time() * 1000), gate=gate,
                           direction="in", n=1)  # fmt: skip
        status, found, _ = self.ask("POST", "/v1/reports", token, wire.body("b", [count.encode()]))
        return str(status) if status != 200 else str(found["results"][0]["outcome"])


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "postgresql+redis"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server for all tests here: each makes its own devices and accounts."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("caches") / "var")
    if request.param != "sqlite":
        url = request.getfixturevalue("postgresql_url")
        empty(url)
        settings = replace(settings, database_url=url)
    if request.param.endswith("redis"):
        settings = replace(settings, redis_url=request.getfixturevalue("redis_url"))
    core = prepared(settings)
    with closing(core.db):
        small_community(core)
        with serving(settings) as server:
            yield World(server, settings, core)


def known_within(limit_s: float, since: float, holds: Callable[[], bool]) -> float:
    """How long after ``since`` it was so in four answers one after the other (there may be two workers); fails when a
    request that was *begun* later than ``limit_s`` says otherwise."""
    good, first = 0, 0.0
    while good < 4:
        begun = time.monotonic()
        if holds():
            good, first = good + 1, first or begun
        else:
            assert begun - since <= limit_s, f"still not known {begun - since:.2f} s later"
            good, first = 0, 0.0
            time.sleep(PAUSE_S)
    return first - since


@pytest.mark.parametrize("times", TIMES)
def test_a_device_that_is_revoked_is_refused(world: World, times: int) -> None:
    for _ in range(times):
        made = ingest_parts(world.core).devices.enrol(MANAGER, "garden", "camera", "east")
        known_within(WITHIN_S, time.monotonic(), lambda made=made: world.report(made.token) == "accepted")  # type: ignore[misc]
        ingest_parts(world.core).devices.revoke(MANAGER, made.device)
        known_within(WITHIN_S, time.monotonic(), lambda made=made: world.report(made.token) == "401")  # type: ignore[misc]


@pytest.mark.parametrize("times", TIMES)
def test_an_account_that_is_disabled_is_signed_out(world: World, times: int) -> None:
    for number in range(times):
        account = an_account(world.core, Role.MANAGER, login=f"manager-{times}-{number}").account
        token = world.core.accounts.make_token(account, "test", "test")
        assert world.ask("GET", "/v1/gates", token)[0] == 200
        done = command(world.settings, "user", "disable", account.login) if number == 0 else None
        if done is None:
            world.core.accounts.disable(account, "test")
        else:
            assert done.exit_code == 0, done.output
        known_within(WITHIN_S, time.monotonic(), lambda token=token: world.ask("GET", "/v1/gates", token)[0] == 401)  # type: ignore[misc]


@pytest.mark.parametrize("times", TIMES)
def test_a_gate_that_was_just_made_takes_reports(world: World, times: int) -> None:
    """The registry's journal is kept in memory; a device's gates are remembered with its token."""
    made = ingest_parts(world.core).devices.enrol(MANAGER, "garden", "office", None)
    known_within(WITHIN_S, time.monotonic(), lambda: world.report(made.token) == "accepted")
    for number in range(times):
        gate = f"new-{times}-{number}"
        assert world.report(made.token, gate) == "rejected"
        with world.core.db.write() as tx:
            change = Change("garden", "gate", gate, 0, Gate(names={"en": gate}, inner="compound"))
            world.core.registry.record(tx, [change], "test")
        known_within(WITHIN_S, time.monotonic(), lambda gate=gate: world.report(made.token, gate) == "accepted")  # type: ignore[misc]


@pytest.mark.parametrize("times", TIMES)
def test_a_token_is_good_as_soon_as_it_is_made(world: World, times: int) -> None:
    for number in range(times):
        if number == 0:
            done = command(world.settings, "token", "create", "--role", "manager", "--community", "garden", "--json")
            token = json.loads(done.output)["token"]
        else:
            account = an_account(world.core, Role.MANAGER, login=f"fresh-{times}-{number}").account
            token = world.core.accounts.make_token(account, "test", "test")
        known_within(WITHIN_S, time.monotonic(), lambda token=token: world.ask("GET", "/v1/gates", token)[0] == 200)  # type: ignore[misc]


def test_a_page_learns_what_another_process_folded(world: World) -> None:
    """Whoever folds says so; whichever worker shows the page must not answer "nothing new"."""
    token = world.core.accounts.make_token(an_account(world.core, Role.MANAGER).account, "test", "test")
    path = "/live/now?community=garden"
    made = ingest_parts(world.core).devices.enrol(MANAGER, "garden", "camera", "west")
    for turn in range(3):
        time.sleep(0.7)  # what went before is folded and told
        tags = {world.ask("GET", path, token)[2] for _ in range(8)}
        assert world.report(made.token, "west") == "accepted"
        since = time.monotonic()

        def fresh(tags: set[str] = tags) -> bool:
            return world.ask("GET", path, token, If_None_Match=", ".join(sorted(tags)))[0] == 200

        known_within(PATIENCE_S, since, fresh)
        assert turn < 3


def test_build_core_of_a_command_starts_nothing(settings: Settings) -> None:
    """None that is new; one of an earlier test may end meanwhile."""
    before = set(threading.enumerate())
    core = prepared(settings)
    with closing(core.db):
        core.signals.bump("garden")
        build_core(settings).db.close()
    assert not set(threading.enumerate()) - before
