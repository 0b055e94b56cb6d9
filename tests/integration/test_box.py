"""A real box and a real server: claimed by its code, told what to do, back by itself from what does not work."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp

from tests.boxes import BoxProcess
from tests.conftest import LiveServer
from tests.contract.test_pictures import holders
from tests.office import Office
from tests.services import wait_until


def told(source: str, **more: Any) -> dict[str, Any]:
    """A camera's configuration. The scene is rendered as it is looked at, so it needs no camera and never ends."""
    camera = {"kind": "camera", "source": source, "detector": "motion"} | more
    return {"heartbeat_s": 1, "sensor": [camera]}


def lined(source: str, line: str = "0.5,0,0.5,1") -> dict[str, Any]:
    return told(source, gate="west", line=line)


SCENE = "scene:7?per_minute=60"


def outcomes(office: Office, device: str) -> list[tuple[int, str | None]]:
    """(version, outcome), newest first."""
    return [(each["version"], each["outcome"]) for each in office.get(f"/v1/devices/{device}/configs")["items"]]


def came(office: Office, device: str, version: int, outcome: str) -> None:
    wait_until(lambda: (version, outcome) in outcomes(office, device), f"version {version} {outcome}", 90)


@pytest.mark.slow
def test_a_box_is_claimed_told_rolled_back_and_started_again(live_server: LiveServer, tmp_path: Path) -> None:
    office = Office.of(live_server)
    picture = tmp_path / "code.png"
    with BoxProcess(tmp_path / "box", live_server.url, "--qr-file", str(picture)) as box:
        code = box.code()
        read = zxingcpp.read_barcodes(cv2.imread(str(picture)))
        assert [each.text for each in read] == [f"{live_server.url}/devices?code={code}"]
        assert {path.name for path in box.folder.iterdir()} == {"request.json"}  # a code, and nothing about anybody
        wanted = {"community": "garden", "kind": "camera", "gate": "west", "name": "West"}
        device = office.post("/v1/devices/claims", {**wanted, "code": code})["device"]
        came(office, device, 1, "failed")  # there is no camera at usb:0 here, and it says so
        # Nothing worked before: it goes on trying, and says so in its next status.
        wait_until(lambda: office.get(f"/v1/devices/{device}")["state"] == "fault", "the fault in its status")

        office.post(f"/v1/devices/{device}/configs", {"document": lined(SCENE), "after": 1})
        came(office, device, 2, "running")
        _counts(office, device)
        _looks(office, device, live_server.settings.data_dir, box)

        office.post(f"/v1/devices/{device}/configs", {"document": lined("nowhere.mp4"), "after": 2})
        came(office, device, 3, "failed")
        why = office.get(f"/v1/devices/{device}/configs")["items"][0]["reason"]
        assert "camera" in why
        wait_until(lambda: office.get(f"/v1/devices/{device}")["config"] == 2, "version 2 in its status", 30)

        box.end(signal.SIGKILL)
        box.server = ""  # it knows its server by now
        box.start()
        last_ms = office.get(f"/v1/devices/{device}")["last_ms"]
        wait_until(lambda: office.get(f"/v1/devices/{device}")["last_ms"] > last_ms, "the box after its restart", 60)
        assert office.get(f"/v1/devices/{device}")["config"] == 2

        _changes_its_token(office, device, box)
        office.post(f"/v1/devices/{device}/configs/back", {"version": 2})
        came(office, device, 4, "running")
        assert box.process is not None
        assert box.process.poll() is None, box.words()


def _counts(office: Office, device: str) -> None:
    wait_until(lambda: office.get(f"/v1/devices/{device}")["tallies"]["accepted"] > 8, "counts", 60)


def _looks(office: Office, device: str, data_dir: Path, box: BoxProcess) -> None:
    wish = office.post(f"/v1/devices/{device}/picture")["wish"]
    url = f"/v1/devices/{device}/picture/{wish}"
    wait_until(lambda: isinstance(office.get(url), bytes), "the picture", 30)
    found = office.get(url)
    picture = cv2.imdecode(np.frombuffer(found, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[1] >= 320
    middle = found[len(found) // 2 :][:64]
    for folder in (data_dir, box.folder):
        assert not holders(folder, middle)


def _changes_its_token(office: Office, device: str, box: BoxProcess) -> None:
    before = (box.folder / "identity.json").read_text()
    office.post(f"/v1/devices/{device}/rotation")
    wait_until(lambda: (box.folder / "identity.json").read_text() != before, "the new token", 30)
    last_ms = office.get(f"/v1/devices/{device}")["last_ms"]
    wait_until(lambda: office.get(f"/v1/devices/{device}")["last_ms"] > last_ms, "a word with the new token", 30)
