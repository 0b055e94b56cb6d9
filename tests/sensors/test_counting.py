"""Counting on footage: rendered scenes with exact truth, the real clip, and what is no footage at all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sensors.__main__ import main
from sensors.boxes import Boxes
from sensors.counter import Counter, count, make_detector
from sensors.frames import CameraTrouble, Frame, Pace, open_source
from sensors.gate_line import Crossing, Line
from sensors.scene import LiveScene, Scene
from sensors.scene_kinds import KINDS
from tests.sensors.scoring import wrong

UPRIGHT = Line(0.5, 0, 0.5, 1)
ROOT = Path(__file__).parents[2]


def test_a_scene_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    one, same, other = Scene(3, "pair", 20), Scene(3, "pair", 20), Scene(4, "pair", 20)
    assert one.truth() == same.truth()
    assert np.array_equal(one.stage.picture(5.0), same.stage.picture(5.0))
    assert one.truth() != other.truth()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "empty"])
def test_every_kind_of_scene_has_crossings_inside_its_time(kind: str) -> None:
    truth = Scene(1, kind, 60).truth()
    assert truth
    assert all(0 < each.t_s < 60 for each in truth)


@pytest.mark.parametrize("kind", ["single", "turn", "shadow", "drift", "overhead", "overhead pair"])
def test_motion_counts_people_one_by_one_and_from_above(kind: str) -> None:
    seed = 11
    scene = Scene(seed, kind, 40)
    found = count(scene, make_detector("motion", None), scene.line)
    assert wrong(scene.truth(), found.crossings) <= 1, f"seed {seed}"


@pytest.mark.shared_data
@pytest.mark.parametrize("kind", ["single", "meet", "edge", "oblique pair"])
def test_yolox_counts_rendered_people(shared_data: Path, kind: str) -> None:
    seed = 12
    scene = Scene(seed, kind, 25)
    found = count(scene, make_detector("yolox", shared_data / "models" / "yolox_nano.onnx"), scene.line)
    assert wrong(scene.truth(), found.crossings) <= 1, f"seed {seed}"


@pytest.mark.shared_data
def test_the_real_clip_has_six_out_and_none_in(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, model = shared_data / "video/one-by-one-person-detection.mp4", shared_data / "models/yolox_nano.onnx"
    assert main(["count", str(clip), "--line", "0.72,0,0.72,1", "--model", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["in"], found["out"]) == (0, 6)
    assert set(found) == {"in", "out", "events", "frames", "cpu_ms_per_frame"}
    assert found["frames"] == 1394
    assert [each["direction"] for each in found["events"]] == ["out"] * 6
    assert all(set(each) == {"t_s", "direction", "confidence"} for each in found["events"])


def test_a_rendered_video_is_counted_from_the_command_line_with_a_preview(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(5, "single", 20)
    scene.render(tmp_path / "scene.mp4")
    video, preview = str(tmp_path / "scene.mp4"), tmp_path / "preview.mp4"
    arguments = ["count", video, "--line", "0.5,0,0.5,1", "--detector", "motion", "--json", "--preview", str(preview)]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    truth = [each.direction for each in scene.truth()]
    assert [each["direction"] for each in found["events"]] == truth
    assert sum(1 for _ in open_source(str(preview)).frames(10)) == found["frames"]


def test_frames_ends_the_count_early(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Scene(5, "single", 10).render(tmp_path / "scene.mp4")
    main(
        [
            "count",
            str(tmp_path / "scene.mp4"),
            "--line",
            "0.5,0,0.5,1",
            "--detector",
            "motion",
            "--frames",
            "7",
            "--json",
        ]
    )
    assert json.loads(capsys.readouterr().out)["frames"] == 7


def test_the_same_footage_as_a_folder_of_images(tmp_path: Path) -> None:
    scene = Scene(6, "single", 15)
    for frame in scene.frames():
        cv2.imwrite(str(tmp_path / f"{frame.number:05d}.png"), frame.picture)
    found = count(open_source(str(tmp_path)), make_detector("motion", None), UPRIGHT)
    assert [each.direction for each in found.crossings] == [each.direction for each in scene.truth()]


def test_a_still_scene_asks_the_detector_rarely() -> None:
    class Counting:
        asked = 0

        def __init__(self) -> None:
            self.inner = make_detector("motion", None)

        def find(self, picture: object) -> object:
            self.asked += 1
            return self.inner.find(picture)

    empty, busy = Counting(), Counting()
    count(Scene(1, "empty", 60), empty, UPRIGHT)  # type: ignore[arg-type]
    count(Scene(1, "single", 60), busy, UPRIGHT)  # type: ignore[arg-type]
    assert empty.asked <= 0.15 * busy.asked


def test_somebody_who_is_over_before_he_is_confirmed_counts_and_a_flicker_does_not() -> None:
    class Scripted:
        """Boxes as told, one list for each picture."""

        def __init__(self, *centres: float) -> None:
            self.left = list(centres)

        def find(self, picture: np.ndarray) -> Boxes:
            x = self.left.pop(0)
            return Boxes(np.array([[x - 10, 20, x + 10, 80]], np.float32), np.array([0.9], np.float32))

    noise = np.random.default_rng(1).integers(0, 255, (9, 100, 100, 3), np.uint8)
    for centres, expected in (([40, 49, 60], ["out"]), ([40, 60], []), ([60, 49, 40, 30], ["in"])):
        counter = Counter(Scripted(*centres), [UPRIGHT])
        looks = [counter.look(Frame(at, at / 10, noise[at])) for at in range(len(centres))]
        assert [crossing.direction for look in looks for _, crossing in look.crossings] == expected


def test_a_camera_set_to_another_size_goes_on_counting() -> None:
    counter = Counter(make_detector("motion", None), [UPRIGHT])
    for number in range(5):
        counter.look(Frame(number, number / 10, np.zeros((100, 160, 3), np.uint8)))
    assert not counter.look(Frame(6, 0.6, np.zeros((50, 80, 3), np.uint8))).crossings


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4320, 7680), (1000, 3), (3, 1000)])
def test_pictures_of_any_size_are_looked_at(shape: tuple[int, int]) -> None:
    counter = Counter(make_detector("motion", None), [UPRIGHT])
    for number in range(3):
        picture = np.full((*shape, 3), 90 * number, np.uint8)
        assert not counter.look(Frame(number, number / 10, picture)).crossings


def test_the_governor_takes_the_asked_rate_from_any_source() -> None:
    for source_fps, asked, expected in (
        (30, 10, 100),
        (25, 10, 100),
        (10, 10, 100),
        (12, 10, 100),
        (5, 10, 50),
        (30, 2.5, 25),
    ):
        pace = Pace(asked)
        taken = sum(pace.wants(number / source_fps) for number in range(int(10 * source_fps)))
        assert abs(taken - expected) <= 2, (source_fps, asked, taken)


def _no_video(tmp_path: Path) -> list[tuple[Path, str]]:
    for name, content in (("empty.mp4", b""), ("noise.mp4", bytes(range(256)) * 40), ("text.mp4", b"hello")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "no images").mkdir()
    (tmp_path / "bad images").mkdir()
    (tmp_path / "bad images" / "1.png").write_bytes(b"hello")
    return [
        (tmp_path / "none.mp4", "check the path"),
        (tmp_path / "empty.mp4", "0 bytes"),
        (tmp_path / "noise.mp4", "damaged or no video"),
        (tmp_path / "text.mp4", "damaged or no video"),
        (tmp_path / "no images", "no image"),
        (tmp_path / "bad images", "damaged"),
    ]


def test_what_is_no_footage_is_named_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, remedy in _no_video(tmp_path):
        assert main(["count", str(path), "--line", "0.5,0,0.5,1", "--detector", "motion"]) == 2
        told = capsys.readouterr().err
        assert remedy in told, (path, told)
        assert "Traceback" not in told


def test_a_video_cut_short_is_counted_as_far_as_it_goes(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "whole.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 360))
    for frame in Scene(5, "single", 20).frames():
        writer.write(frame.picture)
    writer.release()
    whole = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) // 2])
    found = count(open_source(str(tmp_path / "cut.avi")), make_detector("motion", None), UPRIGHT)
    assert 0 < found.frames < 200


@pytest.mark.parametrize("line", ["0.5,0,0.5", "0.5,0,0.5,7", "x"])
def test_a_line_that_cannot_be_is_refused_before_anything_is_opened(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["count", "/nowhere.mp4", "--line", line])
    assert "four fractions" in capsys.readouterr().err


def test_a_live_scene_tells_when_who_was_sent_will_cross() -> None:
    scene = LiveScene(1)
    sent = [scene.send(direction) for direction in ("in", "out")]
    assert [each.direction for each in sent] == ["in", "out"]
    assert all(each.t_s > 1 for each in sent)
    frames = scene.frames(20)
    times = [next(frames).t_s for _ in range(5)]
    assert times == sorted(times)
    assert scene.truth() == tuple(sent)


def test_a_live_scene_is_counted_as_its_truth_says() -> None:
    scene = LiveScene(4)
    expected = [scene.send("in"), scene.send("out")]
    last_s = max(each.t_s for each in expected) + 1
    counter = Counter(make_detector("motion", None), [UPRIGHT])
    found: list[Crossing] = []
    for frame in scene.frames(10):
        found.extend(crossing for _, crossing in counter.look(frame).crossings)
        if frame.t_s > last_s:
            break
    assert wrong(expected, found) == 0


@pytest.mark.parametrize("name", ["scene:x", "scene:", "scene:1?per_minute=x"])
def test_a_scene_by_a_wrong_name_is_refused(name: str) -> None:
    with pytest.raises(CameraTrouble, match="scene:SEED"):
        open_source(name)


def test_nothing_heavy_is_imported_before_a_camera_is_asked_for() -> None:
    code = (
        "import sys, sensors.__main__, sensors.agent, sensors.config, sensors.outbox, sensors.qr, sensors.seal;"
        "import sensors.making, sensors.sensor_beam, sensors.sensor_thermometer, sensors.sensor_wedge, sensors.outputs;"
        "import sensors.sensor_gateway;"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " ('cv2', 'numpy', 'onnxruntime', 'zxingcpp', 'cryptography', 'paho', 'flask', 'community_flow')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
