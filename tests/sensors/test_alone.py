"""The edge package by itself: no OpenCV, no NumPy, nothing of the server, until a camera is asked for."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sensors.box import Box, NotClaimed
from sensors.box_folder import BoxFolder
from sensors.show_code import as_text, write_picture
from sensors.still import MOST_BYTES, Still, jpeg
from tests.conftest import ROOT
from tests.services import PATIENCE_S, wait_until

BARE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("cv2", "numpy", "onnxruntime", "zxingcpp", "cryptography", "paho", "community_flow"):
            raise ImportError(name + " is not installed here")

sys.meta_path.insert(0, Absent())
from pathlib import Path
import sensors.__main__, sensors.agent, sensors.box, sensors.box_link, sensors.config, sensors.outbox, sensors.wire
document = {"sensor": [{"kind": "camera", "source": "usb:0", "gate": "west", "line": "0.5,0,0.5,1"}]}
print(sorted(sensors.config.told_from(document, Path()).gates))
sys.exit(sensors.__main__.main(["count", "clip.mp4", "--line", "0.5,0,0.5,1"]))
"""


def test_it_imports_alone_and_names_what_a_camera_needs() -> None:
    run = subprocess.run([sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout == "['west']\n", run.stderr
    assert run.returncode == 2
    assert "pip install" in run.stderr


def test_a_code_is_drawn_for_terminals_and_as_pictures(tmp_path: Path) -> None:
    import cv2
    import zxingcpp

    from community_flow.entrypoints.devices import qr_rows

    link = "https://flow.example/devices?code=ABCDE-FGH23"
    write_picture(tmp_path / "code.png", qr_rows(link))
    assert [each.text for each in zxingcpp.read_barcodes(cv2.imread(str(tmp_path / "code.png")))] == [link]
    write_picture(tmp_path / "code.svg", qr_rows(link))
    assert (tmp_path / "code.svg").read_bytes().startswith(b"<svg")
    lines = as_text(qr_rows(link), "ABCDE-FGH23", link).splitlines()
    assert len({len(line) for line in lines[:-3]}) == 1  # a rectangle, whatever the font
    assert "ABCDE-FGH23" in lines[-2]
    assert link in lines[-1]


def test_a_box_without_a_server_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotClaimed, match="--server"):
        Box(tmp_path / "box")


def test_what_a_box_knows_is_for_its_owner_and_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = BoxFolder(tmp_path / "box")
    folder.write("identity", {"token": "t"})
    assert (tmp_path / "box" / "identity.json").stat().st_mode & 0o077 == 0
    assert folder.read("identity") == {"token": "t"}
    (tmp_path / "box" / "identity.json").write_text('{"token": ')
    assert folder.read("identity") == {}
    folder.forget("identity")
    folder.forget("identity")
    assert list((tmp_path / "box").iterdir()) == []


def test_a_still_is_held_only_while_somebody_asks() -> None:
    import numpy as np

    still = Still()
    picture = np.zeros((48, 64, 3), np.uint8)
    still.offer(picture)
    assert still.take(0.01) is None  # what came before the wish is gone

    def offer() -> None:
        wait_until(still._wanted.is_set, "the wish")
        still.offer(picture)

    offering = threading.Thread(target=offer)
    offering.start()
    assert still.take(PATIENCE_S) is picture
    offering.join()
    assert still.take(0.01) is None
    assert still.seen == 2
    noise = np.random.default_rng(7).integers(0, 255, (2160, 3840, 3), np.uint8)
    assert len(jpeg(noise)) <= MOST_BYTES
