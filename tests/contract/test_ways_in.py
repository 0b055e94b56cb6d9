"""One body, two ways: over HTTP and over MQTT it has the same outcome, on either store."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import pytest
from sqlalchemy import select

from community_flow.adapters.mosquitto_control import MosquittoControl
from community_flow.adapters.mqtt_client import Server
from community_flow.adapters.sql.queries_devices import SqlDevices
from community_flow.adapters.sql.tables_ingest import reports, tray
from community_flow.domain.errors import FlowError
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.ingest_http import reports_route
from community_flow.entrypoints.ingest_loop import MOST_COLLECTED, ReportsDesk
from community_flow.entrypoints.ingest_mqtt import MqttReports
from community_flow.ports.broker import Arrived
from community_flow.ports.ingest import Committer, Kept, SilentMeter, StoreAway, Submission
from community_flow.services.device_links import DeviceLinks
from community_flow.services.device_tokens import DeviceTokens
from community_flow.services.devices import Enrolled
from community_flow.services.lanes import LARGE_AT_ONCE, LARGE_BYTES
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.factories import small_community
from tests.fakes_tracing import FixedClock
from tests.services import PATIENCE_S

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))
AT = int(time.time() * 1000)


class Way(Protocol):
    def send(self, made: Enrolled, body: bytes) -> dict[str, Any]:
        """What the device reads."""
        ...


class OverHttp:
    def __init__(self, core: Core) -> None:
        self.route = reports_route(ingest_parts(core).ingest)

    def send(self, made: Enrolled, body: bytes) -> dict[str, Any]:
        environ = {
            "REQUEST_METHOD": "POST", "HTTP_AUTHORIZATION": f"Bearer {made.token}", "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
        }  # fmt: skip
        if body.startswith(b"\x1f\x8b"):
            environ["HTTP_CONTENT_ENCODING"] = "gzip"
        found: dict[str, Any] = json.loads(b"".join(self.route(environ, lambda *_: None)))
        return found


class OnTheLoop:
    """As `OnEventLoop` has it: what the desk does not take goes the way of `OverHttp`."""

    def __init__(self, core: Core) -> None:
        self.desk = ReportsDesk(ingest_parts(core).ingest, SilentMeter())
        self.other = OverHttp(core)

    def send(self, made: Enrolled, body: bytes) -> dict[str, Any]:
        taken = self._taken(made, body)
        if taken is None:
            return self.other.send(made, body)
        found: dict[str, Any] = json.loads(asyncio.run(self._asked(taken, body)))
        return found

    def send_at_once(self, devices: Sequence[Enrolled], body: bytes) -> list[dict[str, Any]]:
        taken = [self._taken(each, body) for each in devices]
        assert None not in taken

        async def all_of_them() -> list[bytes]:
            return await asyncio.gather(*(self._asked(each, body) for each in taken))

        return [json.loads(each) for each in asyncio.run(all_of_them())]

    def _taken(self, made: Enrolled, body: bytes) -> dict[str, Any] | None:
        headers = {"authorization": f"Bearer {made.token}", "content-type": "application/json",
                   "content-length": str(len(body)), "content-encoding": "identity"}  # fmt: skip
        if body.startswith(b"\x1f\x8b"):
            headers["content-encoding"] = "gzip"
        self.desk.ingest.trust.of_token(made.token)  # it was here before
        spelled = [(name.encode(), value.encode()) for name, value in headers.items()]
        return self.desk.takes(b"POST", wire.PATH.encode(), spelled)

    async def _asked(self, taken: Any, body: bytes) -> bytes:
        answer = asyncio.get_running_loop().create_future()
        self.desk.ask(taken, body, False, lambda head, body: answer.set_result((head, body)))
        head, said = await answer
        assert b"content-length: %d\r\n" % len(said) in head.lower()
        return bytes(said)


class OverMqtt:
    """Without the broker, which tests/integration/test_ingest_mqtt.py puts in between."""

    def __init__(self, core: Core) -> None:
        nowhere = MosquittoControl(Server("127.0.0.1", 1, "x", "x"))
        links = DeviceLinks(
            core.db, SqlDevices(), DeviceTokens(core.keys), nowhere, core.signals, SilentMeter(), core.clock
        )
        self.reports = MqttReports(ingest_parts(core).ingest, links, SilentMeter())

    def send(self, made: Enrolled, body: bytes) -> dict[str, Any]:
        sent = self.reports(Arrived(f"flow/{made.device}/reports", body, retained=False))
        assert sent is not None
        assert sent.topic == f"flow/{made.device}/acks"
        found: dict[str, Any] = json.loads(sent.body)
        return found


@pytest.fixture
def ways(core: Core) -> list[Way]:
    small_community(core)
    return [OverHttp(core), OverMqtt(core), OnTheLoop(core)]


def count(seq: int, **members: Any) -> str:
    given: dict[str, Any] = {"boot": 7, "seq": seq, "at": AT, "gate": "east", "direction": "in", "n": 1}
    return wire.Count(**(given | members)).encode()


BODIES: dict[str, list[bytes]] = {
    "reports": [wire.body("b", [count(1), count(2)])],
    "none": [wire.body("b", [])],
    "zipped": [gzip.compress(wire.body("b", [count(1)]))],
    "twice": [wire.body("b", [count(1)]), wire.body("b", [count(1), count(2)])],
    "other content": [wire.body("b", [count(1)]), wire.body("b", [count(1, n=2)])],
    "for the tray": [wire.body("b", [count(1, gate="west"), '{"boot":7,"seq":2,"at":1,"kind":"teleport"}', count(3)])],
    "held": [wire.body("b", [count(1, at=AT + 3_600_000)])],
    "collected": [wire.body("b", [count(seq) for seq in range(1, 101)])],
    "collected and packed": [gzip.compress(wire.body("b", [count(seq) for seq in range(1, 1_001)]))],
    "very large": [wire.body("b", [count(seq) for seq in range(1, 1_001)])],
    "nothing": [b""],
    "no JSON": [b"{"],
    "no body": [b'{"batch":"b"}'],
    "not UTF-8": [b"\xff\xfe"],
    "brackets": [b"[" * 50_000],
    "too many": [wire.body("b", [count(seq) for seq in range(1, 1_002)])],
    "too large": [b" " * (wire.MAX_BYTES + 1)],
    "a bomb": [gzip.compress(b" " * 20_000_000)],
    "broken gzip": [gzip.compress(b"{}")[:-4]],
    "more than gzip": [gzip.compress(wire.body("b", [count(1)])) + b"\0\0\0\0"],
    "gzip twice": [gzip.compress(wire.body("b", [count(1)])) + gzip.compress(b"")],
}


def test_all_ways_answer_alike_and_keep_alike(core: Core, ways: list[Way]) -> None:
    for name, bodies in BODIES.items():  # in one test: emptying a PostgreSQL takes longer than all of them
        answers, rows = [], []
        for way in ways:
            made = ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", "east")
            answers.append([comparable(way.send(made, body)) for body in bodies])
            rows.append(kept(core, made.device))
        assert answers[0] == answers[1] == answers[2], name
        assert rows[0] == rows[1] == rows[2], name


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without the moment it was given; only a refusal over MQTT must name its batch."""
    leave_out = {"server_ms"} | ({"batch"} if "status" in answer else set())
    return {name: value for name, value in answer.items() if name not in leave_out}


def kept(core: Core, device: str) -> list[Any]:
    with core.db.read() as tx:
        columns = (reports.c.boot, reports.c.seq, reports.c.kind, reports.c.t_ms, reports.c.n, reports.c.held)
        rows = tx.execute(select(*columns).where(reports.c.device == device).order_by(reports.c.seq))
        aside = tx.execute(select(tray.c.seq, tray.c.reason).where(tray.c.device == device).order_by(tray.c.id))
        return [tuple(row) for row in (*rows, *aside)]


def test_a_revoked_device_and_a_stranger_are_refused_alike(core: Core, ways: list[Way]) -> None:
    devices = ingest_parts(core).devices
    made = devices.enrol(MANAGER, "garden", "camera", "east")
    assert [way.send(made, wire.body("b", []))["results"] for way in ways] == [[], [], []]
    devices.revoke(MANAGER, made.device)
    stranger = Enrolled("d_aaaaaaaaaaaa", "cfd_nobody", "garden")
    for who in (made, stranger):
        answers = [comparable(way.send(who, wire.body("b", [count(1)]))) for way in ways]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0]["status"] == 401
    assert kept(core, made.device) == []


def test_what_was_collected_keeps_nobody_at_a_gate_waiting(core: Core, ways: list[Way]) -> None:
    """Each kind of body on the way for it, while there is no place for large ones."""
    parts, way = ingest_parts(core), OnTheLoop(core)
    late, live = (parts.devices.enrol(MANAGER, "garden", "camera", "east") for _ in range(2))
    plain = BODIES["collected"][0]
    packed = gzip.compress(wire.body("b", [count(seq) for seq in range(101, 150)]))
    assert len(packed) < LARGE_BYTES < len(plain)

    def asked(made: Enrolled, body: bytes) -> Any:
        return asyncio.create_task(way._asked(way._taken(made, body), body))

    async def all_of_them() -> list[Any]:
        with ExitStack() as taken:
            for _ in range(LARGE_AT_ONCE):
                taken.enter_context(parts.ingest.lanes.enter(LARGE_BYTES + 1))
            collected = [asked(late, body) for body in (plain, packed)]
            first = json.loads(await asyncio.wait_for(asked(live, wire.body("b", [count(1)])), PATIENCE_S))
            assert not any(each.done() for each in collected)
        return [first, *map(json.loads, await asyncio.gather(*collected))]

    answers = asyncio.run(all_of_them())
    assert [len(each["results"]) for each in answers] == [1, 100, 49]


def test_more_than_can_wait_of_what_was_collected_is_sent_away(core: Core, ways: list[Way]) -> None:
    parts, way = ingest_parts(core), OnTheLoop(core)
    late, live = (parts.devices.enrol(MANAGER, "garden", "camera", "east") for _ in range(2))
    body = BODIES["collected"][0]

    async def all_of_them() -> list[Any]:
        with ExitStack() as taken:
            for _ in range(LARGE_AT_ONCE):
                taken.enter_context(parts.ingest.lanes.enter(LARGE_BYTES + 1))
            coming = [asyncio.create_task(way._asked(way._taken(late, body), body)) for _ in range(3 * MOST_COLLECTED)]
            while not any(each.done() for each in coming):
                await asyncio.sleep(0.01)
            await way._asked(way._taken(live, wire.body("b", [count(1)])), wire.body("b", [count(1)]))
        return [json.loads(each) for each in await asyncio.gather(*coming)]

    answers = asyncio.run(all_of_them())
    refused = [each for each in answers if each.get("status") == 503]
    assert MOST_COLLECTED <= len(refused) < 3 * MOST_COLLECTED
    assert {each["retry_s"] for each in refused} == {1}
    assert len(kept(core, late.device)) == 100


def test_of_a_stranger_nothing_large_is_held(core: Core, ways: list[Way]) -> None:
    way, body = OnTheLoop(core), BODIES["collected"][0]
    stranger = Enrolled("d_aaaaaaaaaaaa", "cfd_nobody", "garden")
    assert way._taken(stranger, body) is None
    assert way.send(stranger, body)["status"] == 401
    assert not way.desk.ingest.lanes.flooded()


def test_strangers_are_taken_for_nobody_at_a_gate(core: Core, ways: list[Way], monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whoever sends anything would make what was collected wait."""
    monkeypatch.setattr("community_flow.services.lanes.LIVE_S", PATIENCE_S)  # however slow we are
    way, made = OnTheLoop(core), ingest_parts(core).devices.enrol(MANAGER, "garden", "camera", "east")
    with way.desk.ingest.lanes.enter(LARGE_BYTES + 1):
        way.send(Enrolled("d_aaaaaaaaaaaa", "cfd_nobody", "garden"), wire.body("b", [count(1)]))
        assert not way.desk.ingest.lanes.flooded()
        way.send(made, wire.body("b", [count(1)]))
        assert way.desk.ingest.lanes.flooded()


class Full:
    """A store that cannot commit now."""

    def commit(self, submissions: Sequence[Submission]) -> list[Kept | FlowError]:
        return [StoreAway("The disk is full: keep your reports and send them later.") for _ in submissions]


def test_a_store_that_is_away_is_told_alike_and_nothing_is_promised(core: Core, ways: list[Way]) -> None:
    parts = ingest_parts(core)
    made = parts.devices.enrol(MANAGER, "garden", "camera", "east")
    good, parts.ingest.committer = parts.ingest.committer, Full()
    answers = [comparable(way.send(made, wire.body("b", [count(1)]))) for way in ways]
    parts.ingest.committer = good
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0]["status"], answers[0]["retry_s"]) == (503, 5)
    assert kept(core, made.device) == []
    assert [way.send(made, wire.body("b", [count(1)]))["results"][0]["outcome"] for way in ways] == [
        "accepted", "duplicate", "duplicate",
    ]  # fmt: skip


class BreakingFor:
    """A committer with a fault that the bodies of one device bring out."""

    def __init__(self, inner: Committer, device: str) -> None:
        self.inner, self.device = inner, device

    def commit(self, submissions: Sequence[Submission]) -> list[Kept | FlowError]:
        if any(each.device == self.device for each in submissions):
            raise KeyError("a fault of ours")
        return self.inner.commit(submissions)


def test_a_body_that_breaks_us_takes_none_that_came_with_it(core: Core) -> None:
    small_community(core)
    parts, way = ingest_parts(core), OnTheLoop(core)
    poison, *others = (parts.devices.enrol(MANAGER, "garden", "camera", "east") for _ in range(4))
    parts.ingest.committer = BreakingFor(parts.ingest.committer, poison.device)
    answers = way.send_at_once([poison, *others], wire.body("b", [count(1)]))
    assert (answers[0]["status"], answers[0]["title"]) == (500, "Something broke on our side.")
    assert [each["results"][0]["outcome"] for each in answers[1:]] == ["accepted"] * 3
    assert [len(kept(core, each.device)) for each in (poison, *others)] == [0, 1, 1, 1]


def test_all_ways_draw_on_one_allowance(core: Core, ways: list[Way]) -> None:
    parts = ingest_parts(core)
    made = parts.devices.enrol(MANAGER, "garden", "camera", "east")
    parts.ingest.clock = FixedClock(core.clock.now_ms())  # the allowance grows with time, however slow we are
    dear = b'{"batch":"b","reports":[]}' + b" " * 1_000_000
    for at in range(400):
        answer = ways[at % 3].send(made, dear)
        if answer.get("status") == 429:
            break
    assert answer["status"] == 429
    assert [way.send(made, dear)["status"] for way in ways] == [429, 429, 429]


def test_what_comes_on_another_topic_or_retained_is_dropped(sqlite_core: Core) -> None:
    small_community(sqlite_core)
    way = OverMqtt(sqlite_core)
    made = ingest_parts(sqlite_core).devices.enrol(MANAGER, "garden", "camera", "east")
    wrong = [
        (f"flow/{made.device}/reports", True), (f"flow/{made.device}/acks", False),
        ("flow/d_UPPER1234567/reports", False), (f"flow/{made.device}/reports/more", False),
        (f"other/{made.device}/reports", False), ("flow/x/y/reports", False), (f"flow/{made.device}/status", False),
        ("flow/d_aaaaaaaaaaaa/status", False),
    ]  # fmt: skip
    for topic, retained in wrong:
        assert way.reports(Arrived(topic, wire.body("b", [count(1)]), retained)) is None, topic
    assert way.reports.meter.tallies == {"mqtt_dropped_total": len(wrong)}  # type: ignore[attr-defined]
    assert kept(sqlite_core, made.device) == []
