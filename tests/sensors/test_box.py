"""A box's way through trials, restarts and its first camera, with a server of its own words."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sensors.box import Box
from sensors.box_folder import BoxFolder
from sensors.scene import Scene
from tests.sensors.fakes_server import FakeServer
from tests.services import PATIENCE_S, wait_until

IDLE: dict[str, Any] = {"heartbeat_s": 1, "sensor": []}


class Office(FakeServer):
    """What boxes are told, and what they tell of it."""

    version, document = 0, IDLE

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int, str, str | None]] = []


@contextmanager
def serving(office: Office) -> Iterator[Office]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tag = f'"{office.version}"'
            if self.headers.get("If-None-Match") == tag:
                return self.answer(304, b"", tag)
            told = {"version": office.version, "config": office.document, "rotate": False, "picture": None}
            return self.answer(200, json.dumps(told).encode(), tag)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/device/settings":
                told = json.loads(body)
                office.told.append((told["version"], told["outcome"], told["reason"]))
                return self.answer(200, b"{}")
            status, found, _ = office.answer(self.headers["Authorization"], body)
            return self.answer(status, found)

        def answer(self, status: int, body: bytes, tag: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if tag:
                self.send_header("ETag", tag)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    office.url = f"http://127.0.0.1:{server.server_port}"
    yield office
    server.shutdown()
    server.server_close()


@pytest.fixture
def office() -> Iterator[Office]:
    with serving(Office()) as found:
        yield found


@pytest.fixture
def folder(office: Office, tmp_path: Path) -> BoxFolder:
    """Of a box that was claimed."""
    folder = BoxFolder(tmp_path / "box")
    folder.write("identity", {"server": office.url, "device": "d_abcdefgh2345", "token": office.token})
    return folder


@contextmanager
def running(folder: BoxFolder, trial_s: float = 4) -> Iterator[Box]:
    box = Box(folder.path, trial_s=trial_s, poll_s=0.1)
    thread = threading.Thread(target=box.run, daemon=True)
    thread.start()
    yield box
    box.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def camera(source: object) -> dict[str, Any]:
    seen = {"kind": "camera", "source": str(source), "detector": "motion", "repeat": True}
    return {"heartbeat_s": 1, "sensor": [seen | {"gate": "west", "line": "0.5,0,0.5,1"}]}


def test_what_works_is_kept_and_run_again_after_a_start(office: Office, folder: BoxFolder) -> None:
    office.version = 4
    with running(folder):
        wait_until(lambda: office.told == [(4, "running", None)], "version 4")
    assert folder.read("good") == {"version": 4, "document": IDLE}
    assert folder.read("trial") == {}
    with running(folder):
        wait_until(lambda: office.reports("status")[-1]["config"] == 4, "a status")
    assert office.told == [(4, "running", None)]  # it is not tried a second time


def test_what_cannot_be_read_is_told_and_does_not_stop_what_works(office: Office, folder: BoxFolder) -> None:
    office.version = 1
    with running(folder):
        wait_until(lambda: office.told == [(1, "running", None)], "version 1")
        office.version, office.document = 2, {"format": 99}
        wait_until(lambda: len(office.told) == 2, "a word on version 2")
        version, outcome, why = office.told[1]
        assert (version, outcome, "update community-flow-sensors" in (why or "")) == (2, "failed", True)
        assert folder.read("good")["version"] == 1


def test_a_version_that_takes_the_box_down_twice_is_given_up(office: Office, folder: BoxFolder) -> None:
    folder.write("good", {"version": 1, "document": IDLE})
    folder.write("trial", {"version": 2, "starts": 2})  # as a crash of the process leaves it
    office.version = 2
    with running(folder):
        wait_until(lambda: office.told[:1] == [(2, "failed", "interrupted")], "version 2 given up")
        wait_until(lambda: office.reports("status")[-1:] != [] and office.reports("status")[-1]["config"] == 1, "1")
    assert folder.read("good")["version"] == 1


def test_a_version_that_was_cut_off_once_gets_another_chance(office: Office, folder: BoxFolder) -> None:
    folder.write("good", {"version": 1, "document": IDLE})
    folder.write("trial", {"version": 2, "starts": 1})  # the power went
    office.version = 2
    with running(folder):
        wait_until(lambda: office.told == [(2, "running", None)], "version 2")


def test_a_box_whose_camera_comes_later_needs_no_hand(office: Office, folder: BoxFolder, tmp_path: Path) -> None:
    clip = tmp_path / "later.mp4"
    office.version, office.document = 1, camera(clip)
    with running(folder, trial_s=5):
        wait_until(lambda: office.told == [(1, "failed", "camera_lost")], "no camera yet")
    office.told.clear()
    with running(folder, trial_s=1):  # it was started again meanwhile
        wait_until(lambda: any("camera_lost" in each["faults"] for each in office.reports("status")), "the fault")
        Scene(5, "single", 4).render(tmp_path / "made.mp4")
        (tmp_path / "made.mp4").rename(clip)
        wait_until(lambda: office.told == [(1, "running", None)], "the camera", 60)
    assert folder.read("good")["version"] == 1
    assert folder.read("bad") == {}
