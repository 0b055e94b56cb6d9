"""What other people's gateways publish, over a real Mosquitto."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from community_flow.adapters.mosquitto_control import MosquittoControl
from community_flow.adapters.mqtt_client import Server
from community_flow.ports.broker import BrokerAccount
from community_flow.services.device_links import BACKEND
from sensors.config import BadConfig
from sensors.desk import Desk
from sensors.device_clock import DeviceClock
from sensors.outbox import Outbox
from sensors.sensor_gateway import GatewaySensor
from tests.conftest import REQUIRED
from tests.mqtt_parts import Talker
from tests.sensors.agents import running
from tests.sensors.fakes_server import FakeServer, serving
from tests.sensors.test_lines import DEVICE, configured, faults
from tests.services import Missing, Mosquitto, mosquitto_broker, wait_until

DOOR = {
    "report": "count", "when": {"type": "door"}, "gate": "west", "direction_at": "way", "n_at": "people.total",
    "directions": {"enter": "in", "leave": "out"},
}  # fmt: skip
BLE = {"report": "scan", "when": {"type": "ble"}, "gate": "east", "direction": "in", "tag_at": "seen.0.mac"}
PATCH = {"report": "reading", "when": {"type": "patch"}, "value_at": "t", "bed_at": "bed"}


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    try:
        with mosquitto_broker() as broker:
            control = MosquittoControl(Server("127.0.0.1", broker.port, BACKEND, broker.password))
            control.put([BrokerAccount("agent", "secret", publishes=(), receives=("sensors/+/events",))])
            control.put([BrokerAccount("gateway", "secret", publishes=("sensors/#",), receives=())])
            yield broker
    except Missing as missing:
        if REQUIRED:
            raise
        pytest.skip(str(missing))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(FakeServer()) as fake:
        yield fake


def gateway(url: str, *maps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "gateway", "source": url, "topic": "sensors/+/events", "map": list(maps), **more}


def door(number: int, way: str = "enter", total: Any = 1) -> bytes:
    return json.dumps({"type": "door", "id": number, "way": way, "people": {"total": total}}).encode()


def test_messages_become_reports_and_none_is_lost_or_doubled_when_the_agent_is_away(
    broker: Mosquitto, server: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("secret\n")
    url = f"mqtt://127.0.0.1:{broker.port}"
    sensor = gateway(url, DOOR, BLE, PATCH, username="agent", password_file="password", id_at="id", cooldown_s=3600)
    config = configured(tmp_path, server.url, sensor)
    speaker = Talker(url, "gateway", "secret")
    topic = "sensors/hall/events"
    speaker.publish(topic, door(1), retain=True)  # how it was before anybody listened
    with running(config):
        wait_until(lambda: bool(server.reports("status")), "a status")
        wait_until(lambda: speaker.publish(topic, b"{}") == "Success", "somebody who listens")
        for body in (
            door(2),
            door(3, "leave", 2),
            door(3, "leave", 2),
            b"not json",
            door(4, "sideways"),
            door(5, total=0),
        ):
            speaker.publish(topic, body)
        speaker.publish(topic, json.dumps({"type": "ble", "seen": [{"mac": "A0B1C2"}]}).encode())
        speaker.publish(topic, json.dumps({"type": "ble", "seen": [{"mac": "A0B1C2"}]}).encode())
        speaker.publish(topic, json.dumps({"type": "patch", "t": 36.7, "bed": "12"}).encode())
        wait_until(lambda: len(server.reports("reading")) == 1, "all of them")
    speaker.publish(topic, door(6))  # while no agent runs
    with running(config):
        wait_until(lambda: len(server.reports("count")) == 3, "what came meanwhile")
    speaker.close()
    assert [(each["direction"], each["n"]) for each in server.reports("count")] == [("in", 1), ("out", 2), ("in", 1)]
    (scan,) = server.reports("scan")
    assert (scan["tag"], scan["method"], scan["gate"]) == ("A0B1C2", "tag", "east")
    (reading,) = server.reports("reading")
    assert (reading["value"], reading["subject"], reading["unit"]) == (36.7, {"bed": "12"}, "Cel")


def test_a_broker_that_does_not_let_us_in_is_told(broker: Mosquitto, server: FakeServer, tmp_path: Path) -> None:
    sensor = gateway(f"mqtt://127.0.0.1:{broker.port}", DOOR, username="agent")
    with running(configured(tmp_path, server.url, sensor)):
        wait_until(lambda: faults(server) == ["source_lost"], "the fault")


def test_an_implausible_reading_is_a_fault(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite", DEVICE, DeviceClock())
    desk = Desk(outbox, DeviceClock())
    (config,) = configured(tmp_path, "http://x", gateway("mqtt://x", PATCH)).sensors
    sensor = GatewaySensor(config)  # type: ignore[arg-type]
    sensor.take(desk, b'{"type": "patch", "t": 366, "bed": "12"}')
    assert desk.faults() == {"reading_implausible"}
    for good in (b'{"type": "patch", "t": 36, "bed": 12}', b"[" * 100_000, b'{"type": "patch", "t": true, "bed": "1"}'):
        sensor.take(desk, good)
    assert desk.faults() == frozenset()
    assert outbox.tallies()["readings"] == 1
    outbox.close()


@pytest.mark.parametrize(
    ("sensor", "remedy"),
    [
        (gateway("http://x", DOOR), "give a broker"),
        (gateway("mqtt://x"), "map is missing"),
        (gateway("mqtt://x", {**DOOR, "direction": "in"}), "either direction or direction_at"),
        (gateway("mqtt://x", {**DOOR, "directions": {"up": "up"}}), "directions: give in and out"),
        (gateway("mqtt://x", {**BLE, "tag_at": ""}), "tag_at is missing"),
        (gateway("mqtt://x", {**PATCH, "bed": "1"}), "whose reading is it"),
        (gateway("mqtt://x", {**PATCH, "value_at": ""}), "value_at is missing"),
        (gateway("mqtt://x", {**BLE, "least_rssi": -60}), "least_rssi: no such key"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, sensor: dict[str, Any], remedy: str) -> None:
    with pytest.raises(BadConfig, match=remedy):
        configured(tmp_path, "http://x", sensor)
