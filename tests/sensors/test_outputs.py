"""Outputs on a real serial line, a real HTTP server and a file; open in a fire, and when nobody knows."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sensors.agent import Agent
from sensors.config import BadConfig
from sensors.outputs import Output
from tests.sensors.agents import running
from tests.sensors.fakes_server import FakeServer, serving
from tests.sensors.test_lines import Port, configured, faults
from tests.services import free_port, wait_until


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving(FakeServer()) as fake:
        yield fake


@contextmanager
def relay(port: int = 0, status: int = 200) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Its address, and what it was asked for when."""
    asked: list[tuple[str, float]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, time.monotonic()))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    found = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=found.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.server_port}", asked
    finally:
        found.shutdown()
        thread.join()
        found.server_close()


def paths(asked: list[tuple[str, float]]) -> list[str]:
    return [path for path, _ in asked]


def scan(agent: Agent, gate: str = "east", passed: bool = True) -> None:
    agent.desk.scan(gate, "in", "tag", passed, {"tag": "04A2"})


def written(port: Port) -> bytes:
    os.set_blocking(port.ours, False)
    try:
        return os.read(port.ours, 1000)
    except BlockingIOError:
        return b""


def stays(check: Callable[[], bool], seconds: float) -> bool:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if not check():
            return False
        time.sleep(0.02)
    return True


def lamp(folder: Path, **more: Any) -> dict[str, Any]:
    (folder / "lamp").touch()
    return {"to": "lamp", "pulse_s": 0.3, **more}


@pytest.fixture
def clock_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What outputs take for now, in seconds: a pulse is as long as the test says."""
    now_s = [100.0]
    monkeypatch.setattr(Output.__init__, "__defaults__", (lambda: now_s[0],))
    return now_s


def test_a_relay_opens_for_a_moment_when_somebody_goes_through(
    server: FakeServer, tmp_path: Path, clock_s: list[float]
) -> None:
    with relay() as (url, asked):
        output = {"to": url, "open": "/relay/0?turn=on", "close": "/relay/0?turn=off", "gate": "east", "pulse_s": 0.4}
        config = configured(tmp_path, server.url, output=[output])
        with running(config, lasting=True) as agent:
            wait_until(lambda: len(asked) == 1, "shut at the start")
            scan(agent, passed=False)  # an attempt opens nothing
            scan(agent, gate="west")  # nor does another gate
            scan(agent)
            wait_until(lambda: len(asked) == 2, "opened")
            clock_s[0] += 0.3
            assert stays(lambda: len(asked) == 2, 0.3)
            clock_s[0] += 0.2
            wait_until(lambda: len(asked) == 3, "shut")
    assert paths(asked) == ["/relay/0?turn=off", "/relay/0?turn=on", "/relay/0?turn=off"]


def test_a_serial_relay_and_a_buzzer(server: FakeServer, tmp_path: Path, clock_s: list[float]) -> None:
    port = Port(tmp_path / "ttyUSB0")
    board = {"to": f"serial:{port.path}", "open": "hex:A00101A2", "close": "hex:A00100A1", "pulse_s": 0.2}
    heard = b""

    def sent(bytes_: str) -> bool:
        nonlocal heard
        heard += written(port)
        return heard == bytes.fromhex(bytes_)

    with running(configured(tmp_path, server.url, output=[board, lamp(tmp_path)]), lasting=True) as agent:
        wait_until(lambda: sent("A00100A1"), "shut at the start")
        scan(agent)
        wait_until(lambda: (tmp_path / "lamp").read_text() == "1", "the buzzer")
        wait_until(lambda: sent("A00100A1 A00101A2"), "the relay is on")
        clock_s[0] += 1
        wait_until(lambda: (tmp_path / "lamp").read_text() == "0", "silence")
        wait_until(lambda: sent("A00100A1 A00101A2 A00100A1"), "the relay")
    port.pull()


FIRE = {"active": "^FIRE", "quiet": "^OK", "silence_s": 1.5}


class Alarm:
    """The alarm's contact, which says again and again how it is."""

    def __init__(self, folder: Path) -> None:
        self.port = Port(folder / "alarm")
        self.word, self._stop = "OK", threading.Event()
        self._thread = threading.Thread(target=self._say)
        self._thread.start()

    def _say(self) -> None:
        while not self._stop.wait(0.1):
            if self.word:
                self.port.write(f"{self.word}\n")

    def end(self) -> None:
        self._stop.set()
        self._thread.join()


def test_a_fire_holds_the_gate_open_and_is_reported(server: FakeServer, tmp_path: Path) -> None:
    alarm = Alarm(tmp_path)
    fire = {"source": f"serial:{alarm.port.path}", **FIRE}

    def is_open() -> bool:
        return (tmp_path / "lamp").read_text() == "1"

    try:
        with running(configured(tmp_path, server.url, output=[lamp(tmp_path)], fire=fire), lasting=True) as agent:
            wait_until(lambda: (tmp_path / "lamp").read_text() == "0", "shut while all is quiet")
            alarm.word = "FIRE zone 3"
            wait_until(is_open, "open")
            wait_until(lambda: faults(server) == ["fire"], "the report")
            scan(agent)
            assert stays(is_open, 0.8), "a pulse does not end it"
            alarm.word = "OK"
            wait_until(lambda: not is_open(), "shut again")
            wait_until(lambda: faults(server) == [], "the report of its end")
            alarm.word = ""  # the box hangs: its line is there and says nothing
            wait_until(is_open, "open, since nobody knows")
            wait_until(lambda: faults(server) == ["fire_line_lost"], "the report")
            alarm.word = "OK"
            wait_until(lambda: not is_open(), "shut again")
            alarm.end()
            alarm.port.pull()  # its plug is pulled
            wait_until(is_open, "open, since nobody knows")
            wait_until(lambda: "fire_line_lost" in faults(server), "the report")
    finally:
        alarm.end()
    assert is_open(), "who stops the program then must not shut the gate"


def test_an_alarm_that_was_never_heard_holds_the_gate_open(server: FakeServer, tmp_path: Path) -> None:
    fire = {"source": f"serial:{tmp_path / 'nothing'}", **FIRE}
    outputs = [lamp(tmp_path), {"to": "other", "on": "passed", "hold_on_fire": False}]
    (tmp_path / "other").touch()
    with running(configured(tmp_path, server.url, output=outputs, fire=fire), lasting=True):
        wait_until(lambda: (tmp_path / "lamp").read_text() == "1", "open")
        wait_until(lambda: "fire_line_lost" in faults(server), "the report")
        assert (tmp_path / "other").read_text() == "0"


def test_an_output_that_is_away_is_told_and_held_open_when_it_is_back(server: FakeServer, tmp_path: Path) -> None:
    port = free_port()
    fire = {"source": f"serial:{tmp_path / 'nothing'}", **FIRE}
    output = {"to": f"http://127.0.0.1:{port}", "open": "/on", "close": "/off"}
    with running(configured(tmp_path, server.url, output=[output], fire=fire), lasting=True):
        wait_until(lambda: "output_lost" in faults(server), "the fault")
        with relay(port, status=500) as (_, asked):
            wait_until(lambda: len(asked) >= 1, "a try")
            assert "output_lost" in faults(server)
        with relay(port) as (_, asked):
            wait_until(lambda: paths(asked) == ["/on"], "open")
            wait_until(lambda: "output_lost" not in faults(server), "the fault's end")


@pytest.mark.parametrize(
    ("more", "remedy"),
    [
        ({"output": [{"to": "http://relay.example"}]}, "give the path of the request that opens"),
        ({"output": [{"to": "lamp", "on": "monday"}]}, "give one of passed, fire"),
        ({"output": [{"to": "lamp", "pulse_s": 0}]}, "give a number from 0.01"),
        ({"output": [{"open": "1"}]}, "to is missing"),
        ({"fire": {"source": "x", "active": "1"}}, r"fire\.quiet is missing"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, more: dict[str, Any], remedy: str) -> None:
    with pytest.raises(BadConfig, match=remedy):
        configured(tmp_path, "http://x", **more)


def test_no_agent_waits_for_outputs_to_end(server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "day.txt").write_text("IN\n")
    sensor = {
        "kind": "beam", "source": "day.txt", "gate": "west", "pattern": [{"match": "IN", "direction": "in"}],
    }  # fmt: skip
    with running(configured(tmp_path, server.url, sensor, output=[lamp(tmp_path)])):
        wait_until(lambda: bool(server.reports("count")), "the count")
