"""Reports over a real Mosquitto: deleted only when the server has answered, whatever the broker says."""

from __future__ import annotations

import gzip
import json
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage

from community_flow.adapters.mosquitto_control import MosquittoControl
from community_flow.adapters.mqtt_client import Server, close_client, new_client, open_client
from community_flow.ports.broker import BrokerAccount
from community_flow.services.device_links import BACKEND, SHARED_ASKS, SHARED_REPORTS, device_account
from sensors.agent import Agent
from sensors.box_link import Said
from sensors.box_mqtt import BoxOverMqtt, EitherWay
from sensors.config import AgentConfig
from sensors.device_clock import DeviceClock
from sensors.mqtt_line import MqttLine
from sensors.outbox import Outbox
from sensors.uplink_http import BackOff, BadAddress, NoAnswer, Sender
from sensors.uplink_mqtt import MqttUplink
from sensors.wire import Answer, Count, Refusal, Status, body
from tests.conftest import REQUIRED
from tests.sensors.fakes_server import FakeServer, problem
from tests.services import PATIENCE_S, Missing, Mosquitto, mosquitto_broker, wait_until

DEVICE = "d_abcdefgh2345"
Reply = Callable[[dict[str, Any]], dict[str, Any] | None]


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    try:
        with mosquitto_broker() as broker:
            control(broker).put([device_account(DEVICE, "secret", "1")])
            yield broker
    except Missing as missing:
        if REQUIRED:
            raise
        pytest.skip(str(missing))


def control(broker: Mosquitto) -> MosquittoControl:
    return MosquittoControl(Server("127.0.0.1", broker.port, BACKEND, broker.password))


class FakeBackend:
    """Answers reports as the product does, over the broker; ``replies`` come before proper answers."""

    def __init__(self, broker: Mosquitto) -> None:
        self.server = FakeServer()
        self.replies: list[Reply] = []
        self.seen: list[str] = []
        server = Server("127.0.0.1", broker.port, BACKEND, broker.password)
        ready: list[bool] = []
        self.client = new_client(server)
        self.client.on_message = self.heard
        self.client.on_subscribe = lambda *_: ready.append(True)
        open_client(self.client, server)
        wait_until(self.client.is_connected, "the backend's connection")
        self.client.subscribe([(SHARED_REPORTS, 0)])
        self.client.message_callback_add("flow/+/status", lambda _c, _d, m: self.seen.append(m.payload.decode()))
        self.client.subscribe("flow/+/status")
        wait_until(lambda: len(ready) == 2, "its subscriptions")

    def heard(self, client: Client, _: Any, message: MQTTMessage) -> None:
        parsed = json.loads(gzip.decompress(message.payload))
        found: Any = self.replies.pop(0)(parsed) if self.replies else self.proper(parsed)
        if found is not None:
            client.publish(message.topic.replace("reports", "acks"), json.dumps(found))

    def proper(self, parsed: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.server.keep(parsed)[1])
        return found

    def close(self) -> None:
        close_client(self.client)


@pytest.fixture
def backend(broker: Mosquitto) -> Iterator[FakeBackend]:
    backend = FakeBackend(broker)
    yield backend
    backend.close()


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.sqlite", DEVICE, DeviceClock())
    yield box
    box.close()


def uplink(broker: Mosquitto, token: str = "secret", answer_s: float = 1.0) -> MqttUplink:
    return MqttUplink(f"mqtt://127.0.0.1:{broker.port}", DEVICE, token, answer_s=answer_s)


@pytest.fixture
def sender(broker: Mosquitto, outbox: Outbox) -> Iterator[Sender]:
    way = uplink(broker)
    yield Sender(outbox, way, DeviceClock(), BackOff(first_s=0.05, most_s=0.2, rng=random.Random(1)))
    way.close()


def add(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        assert outbox.add(
            lambda boot, seq, now, skew: Count(
                boot=boot, seq=seq, at=now, skew_ms=skew, gate="east", direction="in", n=1
            )
        )


def drain(sender: Sender, most: int = 20) -> None:
    for _ in range(most):
        if sender.step() < 0:
            return
    raise AssertionError(f"not drained: {sender.trouble}")


def test_everything_arrives_once_and_the_outbox_is_empty(backend: FakeBackend, outbox: Outbox, sender: Sender) -> None:
    add(outbox, 1_100)  # more than one batch
    drain(sender)
    assert len(backend.server.kept) == 1_100
    assert outbox.size() == 0


def test_what_the_broker_took_and_nobody_answered_stays_and_goes_again(
    backend: FakeBackend, outbox: Outbox, sender: Sender
) -> None:
    add(outbox, 3)

    def keep_and_say_nothing(parsed: dict[str, Any]) -> None:
        backend.proper(parsed)

    backend.replies.append(keep_and_say_nothing)
    assert sender.step() > 0
    wait_until(lambda: len(backend.server.kept) == 3, "the reports, which nobody answered")
    assert outbox.size() == 3
    assert "no answer" in sender.trouble
    drain(sender)
    assert (outbox.size(), len(backend.server.kept)) == (0, 3)


@pytest.mark.parametrize(
    "reply",
    [
        lambda parsed: {"batch": "another", "server_ms": 1, "through": [], "results": []},  # to an earlier batch
        lambda parsed: {
            "batch": "another",
            "status": 422,
            "title": "late",
            "detail": "",
        },  # a refusal of an earlier one
        lambda parsed: {"batch": parsed["batch"]},  # no answer at all
        lambda parsed: [1],
    ],
)
def test_what_is_not_the_answer_to_this_batch_deletes_nothing(
    backend: FakeBackend, outbox: Outbox, sender: Sender, reply: Reply
) -> None:
    add(outbox, 2)
    backend.replies.append(reply)
    assert sender.step() > 0
    assert outbox.size() == 2
    drain(sender)


def test_a_refusal_is_heeded(broker: Mosquitto, backend: FakeBackend, outbox: Outbox) -> None:
    sender = Sender(outbox, uplink(broker, answer_s=PATIENCE_S), DeviceClock())

    def busy(parsed: dict[str, Any]) -> dict[str, Any]:
        return json.loads(problem(429, "Too many requests")[1]) | {"batch": parsed["batch"], "retry_s": 40}  # type: ignore[no-any-return]

    add(outbox, 1)
    backend.replies.append(busy)
    assert 40 <= sender.step() <= 48
    assert (sender.status, outbox.size()) == (429, 1)


def test_a_wrong_token_is_told_as_such_and_keeps_everything(
    broker: Mosquitto, backend: FakeBackend, outbox: Outbox
) -> None:
    sender = Sender(outbox, uplink(broker, "wrong"), DeviceClock())
    add(outbox, 2)
    assert sender.step() > 0
    assert (sender.status, outbox.size()) == (401, 2)


def test_no_server_behind_the_broker_is_waited_for(broker: Mosquitto, outbox: Outbox, sender: Sender) -> None:
    add(outbox, 1)
    assert sender.step() > 0
    assert outbox.size() == 1
    late = FakeBackend(broker)
    drain(sender)
    late.close()
    assert len(late.server.kept) == 1


def test_a_broker_that_was_killed_is_found_again(broker: Mosquitto, outbox: Outbox, sender: Sender) -> None:
    backend = FakeBackend(broker)
    add(outbox, 1)
    drain(sender)
    backend.close()
    broker.end(signal.SIGKILL)
    add(outbox, 1)
    assert sender.step() > 0
    assert sender.step() > 0
    broker.start()
    backend = FakeBackend(broker)
    drain(sender)
    backend.close()
    assert (outbox.size(), len(backend.server.kept)) == (0, 1)


def test_a_token_that_ends_cuts_the_line(broker: Mosquitto, backend: FakeBackend) -> None:
    account = BrokerAccount("d_zzzzzzzz2345", "x", ("flow/d_zzzzzzzz2345/reports",), ("flow/d_zzzzzzzz2345/acks",))
    control(broker).put([account])
    way = MqttUplink(f"mqtt://127.0.0.1:{broker.port}", account.username, "x", answer_s=PATIENCE_S)
    assert isinstance(way.send(body("a", [])), Answer)
    control(broker).remove([account.username])
    found = [tried(way) for _ in range(2)]  # the first may still find the old connection
    assert found[-1] == 401
    way.close()


def tried(way: MqttUplink) -> int:
    """Status of a refusal, 0 when nobody answered."""
    try:
        found = way.send(body("b", []))
    except NoAnswer:
        return 0
    return found.status if isinstance(found, Refusal) else 200


@pytest.mark.parametrize("address", ["", "flow.example", "http://flow.example", "mqtts://"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadAddress, match="give one like"):
        MqttUplink(address, DEVICE, "secret")


def test_an_agent_says_that_it_comes_and_goes(broker: Mosquitto, backend: FakeBackend, tmp_path: Path) -> None:
    """A whole agent with MQTT in its configuration: its status arrives, and so does its word on the connection."""
    config = AgentConfig(
        device=DEVICE, server="", token="secret", mqtt=f"mqtt://127.0.0.1:{broker.port}",
        outbox=tmp_path / "box.sqlite", sensors=(),
    )  # fmt: skip
    backend.seen.clear()
    Agent(replace(config, heartbeat_s=1)).run()
    wait_until(lambda: backend.seen[-2:] == ["online", "offline"], f"both words, not {backend.seen}")
    assert {each["kind"] for each in backend.server.reports()} == {Status.KIND}


ASKS, TOLD = (f"flow/{DEVICE}/{part}" for part in ("asks", "told"))


@pytest.fixture
def answering(broker: Mosquitto, backend: FakeBackend) -> Iterator[str]:
    """The broker's address. Each ask gets an answer to quite another one first, and then its own."""

    def answer(client: Client, _: Any, message: MQTTMessage) -> None:
        asked = json.loads(message.payload.partition(b"\n")[0])
        for name, version in (("another", 1), (asked["id"], 2)):
            client.publish(TOLD, json.dumps({"id": name, "status": 200, "body": {"version": version}}))

    backend.client.message_callback_add(ASKS, answer)
    told: list[int] = []
    backend.client.on_subscribe = lambda *_: told.append(1)
    backend.client.subscribe(SHARED_ASKS)
    wait_until(lambda: bool(told), "a backend that listens")
    yield f"mqtt://127.0.0.1:{broker.port}"
    backend.client.unsubscribe(SHARED_ASKS)


def test_a_box_takes_no_answer_to_another_ask_for_its_own(answering: str) -> None:
    way = BoxOverMqtt(answering, DEVICE, "secret")
    assert [way.settings("").body["version"] for _ in range(3)] == [2, 2, 2]
    way.close()


def test_what_the_broker_had_kept_is_no_answer(answering: str, backend: FakeBackend) -> None:
    backend.client.publish(TOLD, b"kept", 1, retain=True).wait_for_publish(PATIENCE_S)
    line = MqttLine(answering, DEVICE, "secret", None, TOLD)
    heard = line.ask(ASKS, b'{"id":"x"}\n', lambda message: bytes(message.payload), PATIENCE_S)
    backend.client.publish(TOLD, b"", 1, retain=True).wait_for_publish(PATIENCE_S)
    line.close()
    assert json.loads(heard)["id"] == "another"


class Way:
    """A way to a server that answers while it is ``open``."""

    def __init__(self, name: str, is_open: bool) -> None:
        self.name, self.open, self.asked = name, is_open, 0

    def next_token(self) -> Said:
        self.asked += 1
        if not self.open:
            raise NoAnswer(f"{self.name} is away")
        return Said(200, {"by": self.name})


def test_the_way_that_answered_last_is_asked_first_and_the_other_when_it_is_silent() -> None:
    http, mqtt = Way("http", False), Way("mqtt", True)
    either: Any = EitherWay([http, mqtt])  # type: ignore[list-item]
    assert [either.next_token().body["by"] for _ in range(3)] == ["mqtt"] * 3
    assert (http.asked, mqtt.asked) == (1, 3)
    http.open, mqtt.open = True, False
    assert [either.next_token().body["by"] for _ in range(2)] == ["http"] * 2
    assert (http.asked, mqtt.asked) == (3, 4)
    http.open = False
    with pytest.raises(NoAnswer):
        either.next_token()
