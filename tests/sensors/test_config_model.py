"""Configurations and model files that are wrong say what would be right."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from sensors import model
from sensors.config import AgentConfig, BadConfig, CameraConfig, CheckpointConfig, Over, load
from sensors.gate_line import Line
from sensors.gate_zone import Zone
from sensors.model import BadModel, checked, fetch

GOOD = """
device = "d_abcdefgh2345"
server = "https://flow.example"
token = "cfd_secret"

[[sensor]]
kind = "camera"
source = "clip.mp4"
gate = "west"
line = "0.5,0,0.5,1"
model = "yolox_nano.onnx"

[[sensor]]
kind = "checkpoint"
source = "usb:0"
gate = "east"
direction = "in"
"""


def parsed(tmp_path: Path, text: str) -> AgentConfig:
    (tmp_path / "agent.toml").write_text(text, encoding="utf-8")
    return load(tmp_path / "agent.toml")


def test_a_whole_configuration(tmp_path: Path) -> None:
    found = parsed(tmp_path, GOOD)
    camera, checkpoint = found.sensors
    assert camera == CameraConfig(
        source=str(tmp_path / "clip.mp4"),
        over=(Over(Line(0.5, 0, 0.5, 1), "west"),),
        model=tmp_path / "yolox_nano.onnx",
    )
    assert checkpoint == CheckpointConfig(source="usb:0", gate="east", direction="in")
    assert found.outbox == tmp_path / "outbox.sqlite"


def test_a_camera_with_several_lines_and_zones_has_a_gate_for_each(tmp_path: Path) -> None:
    several = """
[[sensor.line]]
gate = "west"
at = "0.2,0,0.2,1"
flip = true

[[sensor.line]]
gate = "east"
at = "0.8,0,0.8,1"

[[sensor.zone]]
gate = "lift"
at = "0.4,0,0.6,0,0.6,0.3,0.4,0.3"
"""
    text = GOOD.replace('gate = "west"\nline = "0.5,0,0.5,1"\nmodel = "yolox_nano.onnx"', several, 1)
    camera = parsed(tmp_path, text).sensors[0]
    assert isinstance(camera, CameraConfig)
    assert camera.over == (
        Over(Line(0.2, 0, 0.2, 1), "west", flip=True),
        Over(Line(0.8, 0, 0.8, 1), "east"),
        Over(Zone(((0.4, 0), (0.6, 0), (0.6, 0.3), (0.4, 0.3))), "lift"),
    )
    with pytest.raises(BadConfig, match="'west' has two lines"):
        parsed(tmp_path, text.replace('gate = "east"\nat', 'gate = "west"\nat', 1))
    with pytest.raises(BadConfig, match=r"sensor 1: zone 1: at: The zone .* crosses itself"):
        parsed(tmp_path, text.replace("0.4,0,0.6,0,0.6,0.3,0.4,0.3", "0.4,0,0.6,0.3,0.6,0,0.4,0.3"))
    with pytest.raises(BadConfig, match="sensor 1: line 2: lime: no such key"):
        parsed(tmp_path, text.replace('gate = "east"\nat', 'lime = 1\ngate = "east"\nat', 1))


def test_a_token_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("cfd_other\n")
    assert parsed(tmp_path, GOOD.replace('token = "cfd_secret"', 'token_file = "token"')).token == "cfd_other"


@pytest.mark.parametrize(
    ("before", "after", "remedy"),
    [
        ('device = "d_abcdefgh2345"', 'device = "d_ABC"', "as `device enrol` printed it"),  # not an id
        ('device = "d_abcdefgh2345"', "device = 7", "give a text in quotes"),  # wrong type
        ('device = "d_abcdefgh2345"', "", "device is missing"),  # missing
        ('token = "cfd_secret"', "", "token is missing"),  # no token
        ('token = "cfd_secret"', 'token = "a\\nb"', "token is missing or not plain"),  # a header in disguise
        ('token = "cfd_secret"', 'token_file = "none"', "token_file"),  # no such file
        ('kind = "camera"', 'kind = "radar"', "give one of camera, checkpoint"),  # unknown sensor
        ('gate = "west"', 'gate = "West Gate"', "sensor 1: gate"),  # not a slug
        ('line = "0.5,0,0.5,1"', 'line = "0.5,0,0.5,2"', "outside the picture"),  # a line outside
        ('line = "0.5,0,0.5,1"', "", "line is missing: add it, or a"),  # nothing to count over
        ('line = "0.5,0,0.5,1"', "line = [7]", "sensor 1: line 1: is no table"),  # neither text nor table
        ('line = "0.5,0,0.5,1"', "line = 7", "text in quotes or a list of tables"),  # nor that
        ('line = "0.5,0,0.5,1"', 'line = "0.5,0,0.5,1"\nfps = 0', "from 0.5 to 60"),  # too slow
        ('line = "0.5,0,0.5,1"', 'line = "0.5,0,0.5,1"\nfps = nan', "from 0.5 to 60"),  # no number
        ('line = "0.5,0,0.5,1"', 'line = "0.5,0,0.5,1"\nlime = 1', "sensor 1: lime: no such key"),  # a slip
        ('direction = "in"', 'direction = "up"', "give one of in, out"),  # no direction
        ('device = "d_', 'format = 9\ndevice = "d_', "update community-flow-sensors"),  # of a future version
        ('device = "d_', 'seal = {kid = "1", key = "AAAA"}\ndevice = "d_', "copy it again"),  # a bad key
        ('device = "d_', "= =", "is not TOML"),  # not TOML
    ],
)
def test_a_wrong_configuration_names_the_key_and_the_remedy(
    tmp_path: Path, before: str, after: str, remedy: str
) -> None:
    with pytest.raises(BadConfig, match=remedy):
        parsed(tmp_path, GOOD.replace(before, after, 1))


def test_a_configuration_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadConfig, match="not TOML in UTF-8"):
        load(tmp_path / "binary.toml")


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A mirror that serves the folder ``tmp_path / "mirror"``."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    (tmp_path / "mirror").mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "mirror")))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.shared_data
def test_the_model_is_fetched_from_a_file_or_a_mirror(tmp_path: Path, mirror: str, shared_data: Path) -> None:
    source = shared_data / "models" / "yolox_nano.onnx"
    (tmp_path / "mirror" / "m.onnx").write_bytes(source.read_bytes())
    for place, origin in (("a", str(source)), ("b", f"{mirror}/m.onnx")):
        target = tmp_path / place / "yolox.onnx"
        assert checked(fetch(origin, target)).read_bytes() == source.read_bytes()


def test_another_file_is_refused_and_nothing_is_left(tmp_path: Path, mirror: str) -> None:
    (tmp_path / "mirror" / "m.onnx").write_bytes(b"another model" * 1000)
    target = tmp_path / "yolox.onnx"
    for source in (f"{mirror}/m.onnx", str(tmp_path / "mirror" / "m.onnx")):
        with pytest.raises(BadModel, match="nothing was kept"):
            fetch(source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mirror"]


def test_a_wrong_file_does_not_replace_a_right_one_and_a_huge_one_is_cut_off(tmp_path: Path) -> None:
    target, huge = tmp_path / "yolox.onnx", tmp_path / "huge"
    target.write_bytes(b"the right one")
    with huge.open("wb") as file:
        file.truncate(10 * model.SIZE)
    with pytest.raises(BadModel):
        fetch(str(huge), target)
    assert target.read_bytes() == b"the right one"


@pytest.mark.parametrize("source", ["/nowhere/model.onnx", "http://127.0.0.1:1/model.onnx", "ftp://mirror/model.onnx"])
def test_a_source_that_cannot_be_reached_is_named(tmp_path: Path, source: str) -> None:
    with pytest.raises(BadModel, match=source.split(":", maxsplit=1)[0]):
        fetch(source, tmp_path / "yolox.onnx")


@pytest.mark.parametrize(
    ("content", "remedy"),
    [(b"short", "cut short"), (b"x" * model.SIZE, "is not the YOLOX-nano"), (None, "cannot be read")],
)
def test_a_model_that_is_not_the_pinned_one_is_refused(tmp_path: Path, content: bytes | None, remedy: str) -> None:
    path = tmp_path / "yolox.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadModel, match=f"{remedy}.*fetch-model"):
        checked(path)
