"""A box that reaches only a broker: told, rolled back, drawn on and given its next token over a real Mosquitto."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from community_flow.domain.errors import TooMany
from community_flow.entrypoints.box_mqtt import SHORT_BYTES, MqttAsks
from community_flow.ports.broker import Arrived
from community_flow.settings import Settings
from sensors import box_mqtt, mqtt_line
from sensors.box_folder import BoxFolder
from sensors.box_mqtt import BoxOverMqtt
from sensors.scene import Scene
from sensors.uplink_http import NoAnswer
from tests.boxes import BoxProcess
from tests.conftest import prepared, serving
from tests.factories import small_community
from tests.mqtt_parts import talking
from tests.office import Office
from tests.services import PATIENCE_S, wait_until

IDLE = {"heartbeat_s": 1, "sensor": []}


@dataclass
class World:
    office: Office
    mqtt: str

    def enrolled(self) -> tuple[str, str]:
        """(device, token) of a new camera at the gate east that the broker lets in: while that is slow, the server
        tells it of a new device a minute later."""
        made = self.office.post("/v1/devices", {"community": "garden", "kind": "camera", "gate": "east"})
        with talking(self.mqtt, made["device"], made["token"]):
            return made["device"], made["token"]

    def state(self, device: str) -> Any:
        return self.office.get(f"/v1/devices/{device}")

    def told(self, device: str) -> list[tuple[int, str]]:
        """(version, outcome) of each version, the newest first."""
        found = self.office.get(f"/v1/devices/{device}/configs")["items"]
        return [(each["version"], each["outcome"]) for each in found]


@pytest.fixture(autouse=True)
def patience_with_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device gives up and asks again; what is asked here is asked once."""
    monkeypatch.setattr(box_mqtt, "ANSWER_S", PATIENCE_S)
    monkeypatch.setattr(mqtt_line, "CONNECT_S", PATIENCE_S)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, mqtt_url: str) -> Iterator[World]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("over-mqtt") / "var", mqtt_url=mqtt_url)
    core = prepared(settings)
    small_community(core)
    core.db.close()
    with serving(settings) as server:
        assert settings.mqtt is not None
        yield World(Office.of(server), settings.mqtt.for_devices)


def box_of(world: World, folder: Path, device: str, token: str) -> BoxProcess:
    (folder.parent / "token").write_text(token)
    return BoxProcess(
        folder, "", "--mqtt", world.mqtt, "--device", device, "--token-file", str(folder.parent / "token")
    )  # fmt: skip


def test_a_box_is_told_rolled_back_drawn_on_and_renewed_without_http(world: World, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    Scene(3, "single", 4).render(clip)
    seen = {"kind": "camera", "detector": "motion", "repeat": True, "line": [{"at": "0.5,0,0.5,1", "gate": "east"}]}
    good, bad = (
        {"heartbeat_s": 1, "sensor": [seen | {"source": str(source)}]} for source in (clip, tmp_path / "none.mp4")
    )
    device, token = world.enrolled()
    with box_of(world, tmp_path / "box", device, token) as box:
        identity = box.folder / "identity.json"
        world.office.post(f"/v1/devices/{device}/configs", {"document": good, "after": 0})
        wait_until(lambda: world.told(device)[0] == (1, "running"), "version 1 over the broker", 60)
        world.office.post(f"/v1/devices/{device}/configs", {"document": bad, "after": 1})
        wait_until(lambda: world.told(device)[0] == (2, "failed"), "version 2 given up", 60)
        wait_until(lambda: world.state(device)["config"] == 1, "version 1 again", 60)
        wish = world.office.post(f"/v1/devices/{device}/picture")["wish"]
        wait_until(lambda: isinstance(world.office.get(f"/v1/devices/{device}/picture/{wish}"), bytes), "a still", 60)
        assert world.office.get(f"/v1/devices/{device}/picture/{wish}").startswith(b"\xff\xd8\xff")
        world.office.post(f"/v1/devices/{device}/rotation")
        wait_until(lambda: json.loads(identity.read_text())["token"] != token, "the next token", 60)
        last_ms = world.state(device)["last_ms"]
        wait_until(lambda: world.state(device)["last_ms"] > last_ms, "a word with the next token", 60)
        assert "next" not in json.loads(identity.read_text())
        box.end()
        box.start()  # the file with the first token is still there, and must not be believed
        last_ms = world.state(device)["last_ms"]
        wait_until(lambda: world.state(device)["last_ms"] > last_ms, "a word after a start", 60)


@pytest.fixture
def way(world: World) -> Iterator[BoxOverMqtt]:
    way = over(world, *world.enrolled())
    yield way
    way.close()


def over(world: World, device: str, token: str) -> BoxOverMqtt:
    return BoxOverMqtt(world.mqtt, device, token)


def status_of(way: BoxOverMqtt) -> int:
    """0 when there is no answer, as once after the connection was cut."""
    try:
        return way.settings("").status
    except NoAnswer:
        return 0


def test_what_is_known_is_not_told_again(way: BoxOverMqtt) -> None:
    first = way.settings("")
    assert (first.status, first.body["version"], first.body["config"]) == (200, 0, None)
    assert abs(first.body["server_ms"] - time.time() * 1000) < 60_000
    again = way.settings(first.tag)
    assert (again.status, again.body) == (304, {})


def test_refusals_are_those_of_http(way: BoxOverMqtt) -> None:
    assert way.next_token().status == 409  # nobody asked for one
    assert way.took_token("cfd_of-somebody-else").status == 409
    assert way.told(-1, "running", None).status == 422
    assert way.picture("nobody-asked", b"\xff\xd8\xff\xd9").status == 404
    assert way.picture("nobody-asked", b"no picture").status == 422
    assert way._ask("give me everything").status == 422
    assert way.settings("").status == 200  # none of it ended the connection


def test_why_a_version_failed_and_why_there_is_no_picture_arrive_in_the_office(world: World) -> None:
    device, token = world.enrolled()
    world.office.post(f"/v1/devices/{device}/configs", {"document": IDLE, "after": 0})
    way = over(world, device, token)
    assert way.told(1, "failed", "no camera gave a picture").status == 200
    newest = world.office.get(f"/v1/devices/{device}/configs")["items"][0]
    assert (newest["outcome"], newest["reason"]) == ("failed", "no camera gave a picture")
    wish = world.office.post(f"/v1/devices/{device}/picture")["wish"]
    assert way.settings("").body["picture"]["wish"] == wish
    assert way.no_picture(wish, "camera_lost").status == 200
    way.close()
    answer = world.office.get(f"/v1/devices/{device}/picture/{wish}")
    assert answer["state"] == "refused"
    assert answer["reason"]


class Full:
    """An allowance that is used up; what was asked of it is kept."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.counted: list[dict[str, str]] = []

    def admit_known(self, device: str, size: int) -> Any:
        self.sizes.append(size)
        raise TooMany("Too much at once.", retry_s=7)

    def add(self, name: str, **labels: str) -> None:
        self.counted.append(labels)


def test_an_ask_costs_its_device_of_its_allowance_also_a_short_one() -> None:
    full: Any = Full()
    asks = MqttAsks(full, full, full, lambda: 0, full)
    for after in (b"", b"x" * 100_000):
        sent = asks(Arrived("flow/d_abcdefgh2345/asks", b'{"ask":"settings","id":"a"}\n' + after, retained=False))
        assert sent is not None
        told = json.loads(sent.body)
        assert (told["id"], told["retry_s"]) == ("a", 7)
        assert told["status"] == 429
    assert full.sizes == [SHORT_BYTES, 100_028]


@pytest.mark.parametrize(
    ("topic", "retained"), [("flow/d_abcdefgh2345/asks", True), ("flow/d_abcdefgh2345/told", False)]
)
def test_what_the_broker_had_kept_or_came_elsewhere_is_no_ask(topic: str, retained: bool) -> None:
    full: Any = Full()
    asks = MqttAsks(full, full, full, lambda: 0, full)
    assert asks(Arrived(topic, b'{"ask":"settings","id":"a"}\n', retained)) is None
    assert (full.sizes, full.counted) == ([], [{"cause": "retained" if retained else "ask"}])


def test_the_old_token_speaks_until_the_device_has_said_that_it_has_the_new_one(world: World) -> None:
    device, old = world.enrolled()
    way = over(world, device, old)
    world.office.post(f"/v1/devices/{device}/rotation")
    assert way.settings("").body["rotate"] is True
    lost, new = (way.next_token().body["token"] for _ in range(2))  # the first answer did not arrive
    assert way.settings("").status == 200  # and on the same connection
    for not_yet in (lost, new):
        assert over(world, device, not_yet).settings("").status == 401
    assert way.took_token(new).status == 200  # the answer comes before the connection is cut
    wait_until(lambda: status_of(way) == 401, "the end of the old token", 20)
    way.close()
    renewed = over(world, device, new)
    wait_until(lambda: status_of(renewed) == 200, "the new token", 20)
    assert renewed.settings("").body["rotate"] is False
    assert renewed.took_token(new).status == 200  # said again, because its answer might have been lost
    assert renewed.took_token(old).status == 409
    renewed.close()


def test_a_box_finds_out_that_its_word_on_the_new_token_arrived(world: World, tmp_path: Path) -> None:
    """The answer was lost with the connection: the old token is refused, and the box has both."""
    device, old = world.enrolled()
    way = over(world, device, old)
    world.office.post(f"/v1/devices/{device}/rotation")
    new = way.next_token().body["token"]
    assert way.took_token(new).status == 200
    way.close()
    known = {"server": "", "device": device, "token": old, "mqtt": world.mqtt, "next": new}
    BoxFolder(tmp_path / "box").write("identity", known)
    with box_of(world, tmp_path / "box", device, old) as box:
        identity = box.folder / "identity.json"
        wait_until(lambda: json.loads(identity.read_text())["token"] == new, "the new token in its place", 60)
        wait_until(lambda: world.state(device)["last_ms"] is not None, "a word of it", 60)


def test_what_cannot_be_read_is_dropped_and_ends_nothing(world: World) -> None:
    device, token = world.enrolled()
    with talking(world.mqtt, device, token) as talker:
        assert talker.subscribe(f"flow/{device}/told").startswith("Granted")
        for nothing in (b"", b"\n", b"{", b"[]", b"\xff\xfe", b'{"ask":"settings"}', b"[" * 100_000, b"x" * 1_000_000):
            talker.publish(f"flow/{device}/asks", nothing)
        talker.publish(f"flow/{device}/asks", b'{"ask":"settings","id":"kept"}', retain=True)
        talker.publish(f"flow/{device}/asks", b'{"ask":"settings","id":"live"}\n')
        answer = talker.answer()
        assert (answer["id"], answer["status"]) == ("live", 200)
        assert talker.heard.empty()
        talker.publish(f"flow/{device}/asks", b"", retain=True)
