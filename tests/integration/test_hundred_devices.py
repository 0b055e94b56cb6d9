"""A hundred devices and one manager over real HTTP: claimed, told, heard, and each shown as it is."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from community_flow.adapters.sql.tables_ingest import device_status
from sensors import uplink_http, wire
from sensors.box import Box
from sensors.box_link import BoxLink, Said
from sensors.config import told_from
from sensors.uplink_http import HttpUplink
from tests.conftest import LiveServer
from tests.office import Office
from tests.services import PATIENCE_S, wait_until

MANY = 100
SILENT, SKEWED, CONTRADICTING, FAULTY, BAD = range(10), range(10, 20), range(20, 25), range(25, 30), range(30, 33)
LINE = {"heartbeat_s": 1, "sensor": [{"kind": "camera", "source": "usb:0", "gate": "west", "line": "0.5,0,0.5,1"}]}
DEAD = {"heartbeat_s": 1, "sensor": [{"kind": "camera", "source": "gone.mp4", "gate": "west", "line": "0.5,0,0.5,1"}]}


@dataclass
class Simulated:
    """A box without a camera: it says to the server what a real one says, in the same bytes."""

    number: int
    server: str
    secret: str = ""
    code: str = ""
    device: str = ""
    token: str = ""
    running: int = 0
    seqs: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000)))

    def show(self) -> None:
        said = BoxLink(self.server).ask_to_be_claimed()
        assert said.status == 201, said.trouble
        self.code, self.secret = said.body["code"], said.body["secret"]

    def fetch(self) -> None:
        said = BoxLink(self.server).poll(self.secret)
        assert said.body.get("state") == "claimed", said.trouble
        self.device, self.token = said.body["device"], said.body["token"]

    def obey(self) -> None:
        link = BoxLink(self.server, self.token)
        said = settings(link, "")
        told_from(said.body["config"], Path())
        self.running = said.body["version"]
        link.told(self.running, "running", None)
        assert settings(link, said.tag).status == 304

    def speak(self) -> None:
        skew_ms = 400_000 if self.number in SKEWED else 0
        now_ms = time.time_ns() // 1_000_000 + skew_ms
        same: dict[str, Any] = {"boot": self.number + 1, "at": now_ms, "skew_ms": skew_ms}
        count = wire.Count(**same, seq=next(self.seqs), gate="west", direction="in", n=1)
        faults = ["camera_dark"] if self.number in FAULTY else []
        status = wire.Status(**same, seq=next(self.seqs), version="0.1.0", config=self.running, queue=0, faults=faults)
        reports = [count.encode(), status.encode()]
        if self.number in CONTRADICTING:
            other = wire.Count(**same, seq=count.seq, gate="west", direction="out", n=1)
            reports.append(other.encode())
        uplink = HttpUplink(self.server, self.token)
        answer = uplink.send(wire.body(f"b{self.number}", reports))
        uplink.close()
        assert isinstance(answer, wire.Answer), answer


def settings(link: BoxLink, tag: str) -> Said:
    """Reads are refused while reports wait for the disk: then asked again, as a box does."""
    heard: list[Said] = []

    def answered() -> bool:
        heard.append(link.settings(tag))
        return heard[-1].status != 503

    wait_until(answered, "settings")
    return heard[-1]


@contextmanager
def real_boxes(server: str, folder: Path) -> Iterator[list[str]]:
    """Real boxes, in threads; gives the codes that they show."""
    shown: list[str] = []
    boxes = [Box(folder / str(each), server, trial_s=2, poll_s=0.3, show=shown.append) for each in BAD]
    threads = [threading.Thread(target=box.run, daemon=True) for box in boxes]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(shown) == len(boxes), "codes")
    try:
        yield [text.split("Its code is  ")[1].split()[0] for text in shown]
    finally:
        for box in boxes:
            box.stop()
        for thread in threads:
            thread.join(60)


def test_a_hundred_devices_are_shown_as_they_are(
    live_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_http, "TIMEOUT_S", PATIENCE_S)
    office = Office.of(live_server)
    simulated = [Simulated(number, live_server.url) for number in range(MANY) if number not in BAD]
    with real_boxes(live_server.url, tmp_path) as codes, ThreadPoolExecutor(8) as pool:
        list(pool.map(Simulated.show, simulated))
        claimed = list(pool.map(lambda code: _claim(office, code), [*codes, *(each.code for each in simulated)]))
        bad, devices = claimed[: len(codes)], claimed[len(codes) :]
        list(pool.map(Simulated.fetch, simulated))
        assert [each.device for each in simulated] == devices
        list(pool.map(lambda device: _configure(office, device, LINE), devices))
        list(pool.map(Simulated.obey, simulated))
        for version, outcome, document in (
            (1, "failed", {"heartbeat_s": 1}),
            (2, "running", DEAD),
            (3, "failed", None),
        ):
            for device in bad:  # there is no camera at usb:0 here
                _outcome(office, device, version, outcome)
                if document is not None:
                    _configure(office, device, document, version)
        list(pool.map(Simulated.speak, simulated))  # not before: who was silent for three minutes is late
        _silence(live_server, [each.device for each in simulated if each.number in SILENT])
        went_back = [office.get(f"/v1/devices/{each}") for each in bad]
        assert [each["wanted"] for each in went_back] == [3] * len(bad)
        wait_until(lambda: all(office.get(f"/v1/devices/{each}")["config"] == 2 for each in bad), "their statuses")
        _shown(office, {each.device: _state(each.number) for each in simulated} | dict.fromkeys(bad, "ok"))
        status, page = office.call("GET", "/devices")
        assert status == 200
        assert page.decode().count('<th scope="row">') == MANY
        for state, many in (("down", 10), ("skewed", 10), ("mismatch", 5), ("fault", 5)):
            found = office.call("GET", f"/devices?state={state}&kind=camera&gate=west")[1].decode()
            assert found.count('<th scope="row">') == many, state
        assert office.call("GET", "/devices?q=nobody")[1].decode().count('<th scope="row">') == 0


def _state(number: int) -> str:
    groups = {"down": SILENT, "skewed": SKEWED, "mismatch": CONTRADICTING, "fault": FAULTY}
    return next((state for state, numbers in groups.items() if number in numbers), "ok")


def _claim(office: Office, code: str) -> str:
    wanted = {"community": "garden", "kind": "camera", "gate": "west", "code": code}
    device: str = office.post("/v1/devices/claims", wanted)["device"]
    return device


def _configure(office: Office, device: str, document: dict[str, Any], after: int = 1) -> None:
    saved = office.post(f"/v1/devices/{device}/configs", {"document": document, "after": after})
    assert saved["version"] == after + 1


def _outcome(office: Office, device: str, version: int, outcome: str) -> None:
    def came() -> bool:
        rows = office.get(f"/v1/devices/{device}/configs")["items"]
        return (version, outcome) in [(each["version"], each["outcome"]) for each in rows]

    wait_until(came, f"version {version} {outcome} of {device}", 60)


def _silence(server: LiveServer, devices: list[str]) -> None:
    """As if they had said their last word twenty minutes ago."""
    core = server.core()
    with core.db.write() as tx:
        ago_ms = core.clock.now_ms() - 20 * 60_000
        tx.execute(update(device_status).where(device_status.c.device.in_(devices)).values(last_ms=ago_ms))
    core.db.close()


def _shown(office: Office, wanted: dict[str, str]) -> None:
    found = {each["device"]: each for each in office.get("/v1/devices")["items"]}
    assert {device: each["state"] for device, each in found.items()} == wanted
    assert Counter(each["config"] for each in found.values()) == {2: MANY}  # those that went back included
