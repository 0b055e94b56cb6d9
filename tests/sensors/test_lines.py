"""Beams and thermometers on real pseudo-terminals, pipes and TCP lines."""

from __future__ import annotations

import os
import pty
import socket
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensors.config import AgentConfig, agent_from
from sensors.desk import Desk
from sensors.device_clock import DeviceClock
from sensors.outbox import Outbox
from sensors.sensor_beam import BeamSensor
from tests.sensors.agents import running
from tests.sensors.fakes_server import FakeServer, serving
from tests.services import wait_until

DEVICE = "d_abcdefgh2345"
TURNSTILE = [{"match": r"^IN(?: (?P<n>\d+))?$", "direction": "in"}, {"match": "^OUT$", "direction": "out"}]
TWO_BEAMS = [{"match": "^A", "beam": "outer"}, {"match": "^B", "beam": "inner"}]


def configured(folder: Path, url: str, *sensors: dict[str, Any], **more: Any) -> AgentConfig:
    table = {"device": DEVICE, "server": url, "token": "secret", "heartbeat_s": 1, "sensor": list(sensors), **more}
    return agent_from(table, folder)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(FakeServer()) as fake:
        yield fake


class Port:
    """A serial port: what is written to ``write`` comes out of the file ``path``."""

    def __init__(self, link: Path) -> None:
        self.ours, theirs = pty.openpty()
        tty.setraw(theirs)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(theirs))
        self.path, self._theirs = link, theirs

    def write(self, text: str) -> None:
        os.write(self.ours, text.encode())

    def pull(self) -> None:
        """As when the plug is pulled."""
        os.close(self._theirs)
        os.close(self.ours)


def directions(server: FakeServer) -> list[str]:
    return [each["direction"] for each in server.reports("count")]


def faults(server: FakeServer) -> list[str]:
    found = server.reports("status")
    return list(found[-1]["faults"]) if found else []


def beam(folder: Path, source: str, patterns: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    return {"kind": "beam", "source": source, "gate": "west", "pattern": patterns, **more}


def test_a_turnstile_on_a_serial_port_counts_and_survives_its_plug(server: FakeServer, tmp_path: Path) -> None:
    port = Port(tmp_path / "ttyUSB0")
    sensor = beam(tmp_path, f"serial:{port.path}?baud=115200", TURNSTILE)
    with running(configured(tmp_path, server.url, sensor)):
        port.write("IN\r\nOU")
        wait_until(lambda: directions(server) == ["in"], "the first")
        port.write("T\r\nnoise \xff\r\nIN 3\r\n")
        wait_until(lambda: len(directions(server)) == 3, "all of them")
        port.pull()
        wait_until(lambda: faults(server) == ["source_lost"], "the fault")
        port = Port(tmp_path / "ttyUSB0")
        wait_until(lambda: faults(server) == [], "its end", 40)
        port.write("OUT\n")
        wait_until(lambda: len(directions(server)) == 4, "counting again")
    port.pull()
    assert directions(server) == ["in", "out", "in", "out"]
    assert [each["n"] for each in server.reports("count")] == [1, 1, 3, 1]


def test_a_beam_behind_a_tcp_line_counts_and_survives_its_end(server: FakeServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as box:
        sensor = beam(tmp_path, f"tcp://127.0.0.1:{box.getsockname()[1]}", TURNSTILE)
        with running(configured(tmp_path, server.url, sensor)):
            for number in (1, 2):
                line, _ = box.accept()
                line.sendall(b"IN\n")
                wait_until(lambda number=number: len(directions(server)) == number, "a count")  # type: ignore[misc]
                line.close()
    assert directions(server) == ["in", "in"]


def test_a_pipe_and_a_file_are_sources_too(server: FakeServer, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "yesterday.txt").write_text("OUT\nOUT\nIN")
    sensors = [beam(tmp_path, "pipe", TURNSTILE), beam(tmp_path, "yesterday.txt", TURNSTILE)]
    with running(configured(tmp_path, server.url, *sensors)), (tmp_path / "pipe").open("w") as pipe:
        pipe.write("IN\nIN\n")
        pipe.flush()
        wait_until(lambda: len(directions(server)) == 5, "all of them")
    assert sorted(directions(server)) == ["in", "in", "in", "out", "out"]


# --- what lines mean ------------------------------------------------------------------------------------------------


class Steady:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


def counted(folder: Path, config: dict[str, Any], lines: list[tuple[float, str]]) -> list[str]:
    """Directions that come of lines at these seconds."""
    outbox, clock = Outbox(folder / "outbox.sqlite", DEVICE, DeviceClock()), Steady()
    desk = Desk(outbox, DeviceClock())
    (parsed,) = configured(folder, "http://x", config).sensors
    sensor = BeamSensor(parsed, clock)  # type: ignore[arg-type]
    for at_s, line in lines:
        clock.s = 100 + at_s
        sensor.take(desk, line)
    told = outbox.tallies()
    outbox.close()
    return ["in"] * told["in"] + ["out"] * told["out"]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([(0, "A"), (0.4, "B")], ["in"]),  # outer, then inner
        ([(0, "B"), (0.4, "A")], ["out"]),
        ([(0, "A"), (1, "A")], []),  # came up to the gate and turned round
        ([(0, "A"), (3, "B")], []),  # too long between them: two people who both turned round
        ([(0, "A"), (0.4, "B"), (0.8, "A"), (1.2, "B")], ["in", "in"]),  # one behind the other
        ([(0, "A"), (0.4, "B"), (0.8, "B"), (1.2, "A")], ["in", "out"]),  # in, and somebody out
        ([(0, "A"), (0.01, "A"), (0.03, "A"), (0.4, "B"), (0.41, "B")], ["in"]),  # contacts that chatter
    ],
)
def test_two_beams_tell_the_direction(tmp_path: Path, lines: list[tuple[float, str]], found: list[str]) -> None:
    assert counted(tmp_path, beam(tmp_path, "x", TWO_BEAMS), lines) == found


def test_a_contact_that_chatters_is_one_person(tmp_path: Path) -> None:
    config = beam(tmp_path, "x", TURNSTILE, debounce_s=0.2)
    lines = [(0.0, "IN"), (0.1, "IN"), (0.25, "IN"), (0.6, "IN"), (0.65, "OUT"), (0.7, "IN 0"), (3, "IN 99999")]
    assert counted(tmp_path, config, lines) == ["in", "in", "out"]


# --- temperatures ---------------------------------------------------------------------------------------------------

THERMOMETER = {
    "kind": "thermometer",
    "match": r"T=(?P<value>[\d.,]+)(?P<unit>C|F)(?: ±(?P<error>[\d.]+))?(?: ID=(?P<tag>\w+))",
    "units": {"C": "Cel"},
    "error": 0.3,
}


def test_readings_keep_their_unit_and_error_and_what_is_implausible_is_left_out(
    server: FakeServer, tmp_path: Path
) -> None:
    port = Port(tmp_path / "ttyS1")
    with running(configured(tmp_path, server.url, {**THERMOMETER, "source": f"serial:{port.path}"})):
        port.write("T=36.6C ±0.2 ID=04A2\nT=36,9C ID=04A3\n")
        wait_until(lambda: len(server.reports("reading")) == 2, "readings")
        port.write("T=3.66C ID=04A2\n")  # the comma went astray
        wait_until(lambda: faults(server) == ["reading_implausible"], "a fault")
        port.write("T=98.1F ID=04A2\nhello\nT=37.0C ID=04A4\n")  # nobody said what F is
        wait_until(lambda: len(server.reports("reading")) == 3, "one more")
        wait_until(lambda: faults(server) == [], "the fault's end")
    port.pull()
    found = [(each["value"], each["unit"], each["error"], each["subject"]) for each in server.reports("reading")]
    assert found == [
        (36.6, "Cel", 0.2, {"tag": "04A2"}),
        (36.9, "Cel", 0.3, {"tag": "04A3"}),
        (37.0, "Cel", 0.3, {"tag": "04A4"}),
    ]
    assert {each["quantity"] for each in server.reports("reading")} == {"body-temperature"}


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sensor", "remedy"),
    [
        (beam(Path(), "x", []), "pattern is missing"),
        (beam(Path(), "x", [{"match": "(", "direction": "in"}]), "give a regular expression"),
        (beam(Path(), "x", [{"match": "A", "beam": "outer"}]), "one beam tells no direction"),
        (beam(Path(), "x", [{"match": "A", "beam": "outer", "direction": "in"}]), "either direction or beam"),
        (beam(Path(), "x", TURNSTILE, debounce=1), "debounce: no such key"),
        ({"kind": "thermometer", "source": "x", "match": "T", "bed": "1"}, "give it a group"),
        ({"kind": "thermometer", "source": "x", "match": "(?P<value>.)"}, "whose reading is it"),
        ({"kind": "barometer", "source": "x"}, "give one of camera, checkpoint, beam"),
    ],
)
def test_mistakes_in_the_configuration_are_named(tmp_path: Path, sensor: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        configured(tmp_path, "http://x", sensor)


def test_a_speed_that_no_port_has_is_told(server: FakeServer, tmp_path: Path) -> None:
    port = Port(tmp_path / "ttyUSB0")
    with running(configured(tmp_path, server.url, beam(tmp_path, f"serial:{port.path}?baud=12345", TURNSTILE))):
        wait_until(lambda: faults(server) == ["source_lost"], "the fault")
    port.pull()
