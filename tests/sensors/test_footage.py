"""Footage of every sort: containers, rates that vary, turned phones, and what is no footage at all."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sensors.__main__ import main
from sensors.counter import count, make_detector
from sensors.frames import Frame, Pace, VideoFile, open_source
from sensors.gate_line import Line
from sensors.scene import Scene

UPRIGHT = Line(0.5, 0, 0.5, 1)
CLIP_LINE = Line(0.72, 0, 0.72, 1)


@pytest.fixture(scope="module")
def scene() -> tuple[Scene, list[np.ndarray]]:
    scene = Scene(5, "single", 20)
    return scene, [frame.picture for frame in scene.frames()]


def written(path: Path, code: str, pictures: list[np.ndarray], fps: float = 10) -> Path:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), fps, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


def counted(path: Path, line: Line = UPRIGHT) -> list[tuple[float, str]]:
    found = count(open_source(str(path)), make_detector("motion", None), line)
    return [(each.t_s, each.direction) for each in found.crossings]


def truth(scene: Scene) -> list[tuple[float, str]]:
    return [(each.t_s, each.direction) for each in scene.truth()]


def alike(found: list[tuple[float, str]], expected: list[tuple[float, str]]) -> bool:
    return [way for _, way in found] == [way for _, way in expected] and all(
        abs(one - other) < 1 for (one, _), (other, _) in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "code"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "MJPG"), ("a.mkv", "mp4v"), ("a.avi", "XVID")]
)
def test_every_usual_container_is_counted(
    tmp_path: Path, scene: tuple[Scene, list[np.ndarray]], name: str, code: str
) -> None:
    assert alike(counted(written(tmp_path / name, code, scene[1])), truth(scene[0]))


@pytest.mark.parametrize("fps", [12.5, 25, 60])
def test_any_rate_of_pictures_is_counted(tmp_path: Path, fps: float) -> None:
    scene = Scene(5, "single", 14, fps=fps)
    pictures = [frame.picture for frame in scene.frames()]
    assert alike(counted(written(tmp_path / "a.mp4", "mp4v", pictures, fps)), truth(scene))


def test_a_rate_that_varies_keeps_its_times(tmp_path: Path, scene: tuple[Scene, list[np.ndarray]]) -> None:
    """The first half at 10 pictures a second, of the second half every other one for twice as long."""
    half = len(scene[1]) // 2
    pictures = scene[1][:half] + scene[1][half::2]
    path = written(tmp_path / "a.mp4", "mp4v", pictures)
    with_steps(path, [(half, 1), (len(pictures) - half, 2)])
    times = [frame.t_s for frame in VideoFile(path).frames(60)]
    assert np.diff(times[: half - 1]) == pytest.approx(0.1, abs=0.002)
    assert np.diff(times[half + 1 :]) == pytest.approx(0.2, abs=0.002)
    assert alike(counted(path), truth(scene[0]))


def test_a_phone_held_upright_is_seen_upright(tmp_path: Path, scene: tuple[Scene, list[np.ndarray]]) -> None:
    """The pictures lie on their side in the file, and the file says so."""
    lying = [cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE) for picture in scene[1]]
    path = written(tmp_path / "a.mp4", "mp4v", lying)
    turned_by_a_quarter(path)
    assert next(VideoFile(path).frames(10)).picture.shape == (360, 640, 3)
    assert alike(counted(path), truth(scene[0]))


def boxes(data: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, begin, end) of the boxes of an mp4 file."""
    while begin < end:
        size, kind = struct.unpack(">I4s", data[begin : begin + 8])
        yield kind, begin, begin + size
        begin += size


def way_to(data: bytes, *kinds: bytes) -> list[tuple[int, int]]:
    """(begin, end) of each of the nested boxes ``kinds``."""
    begin, end, found = 0, len(data), []
    for kind in kinds:
        begin, end = next((first, last) for name, first, last in boxes(data, begin, end) if name == kind)
        found.append((begin, end))
        begin += 8
    return found


def with_steps(path: Path, steps: list[tuple[int, int]]) -> None:
    """Give an mp4 (times at its end) so many pictures of so many steps each."""
    data = path.read_bytes()
    way = way_to(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts")
    begin, end = way[-1]
    delta = struct.unpack(">I", data[begin + 20 : begin + 24])[0]
    table = b"".join(struct.pack(">II", number, times * delta) for number, times in steps)
    box = struct.pack(">I4sII", 16 + len(table), b"stts", 0, len(steps)) + table
    found = bytearray(data[:begin] + box + data[end:])
    for first, last in way[:-1]:
        found[first : first + 4] = struct.pack(">I", last - first + len(box) - (end - begin))
    path.write_bytes(found)


def turned_by_a_quarter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    begin, _ = way_to(bytes(data), b"moov", b"trak", b"tkhd")[-1]
    data[begin + 48 : begin + 84] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def test_a_video_without_a_picture_is_named_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "none.avi", "MJPG", [np.zeros((36, 64, 3), np.uint8)])
    whole = (tmp_path / "none.avi").read_bytes()
    (tmp_path / "none.avi").write_bytes(whole[: whole.index(b"movi") + 4])
    assert main(["count", str(tmp_path / "none.avi"), "--line", str(UPRIGHT), "--detector", "motion"]) == 2
    assert "damaged or no video; record it again" in capsys.readouterr().err


def test_a_video_with_a_hole_in_it_is_counted_round_the_hole(
    tmp_path: Path, scene: tuple[Scene, list[np.ndarray]]
) -> None:
    data = bytearray(written(tmp_path / "a.avi", "MJPG", scene[1]).read_bytes())
    rng, middle = np.random.default_rng(3), len(data) // 2
    data[middle : middle + 40_000] = rng.bytes(40_000)
    (tmp_path / "a.avi").write_bytes(data)
    found = count(open_source(str(tmp_path / "a.avi")), make_detector("motion", None), UPRIGHT)
    assert found.frames > 50


@pytest.mark.shared_data
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4320, 7680), (1000, 3), (3, 1000)])
def test_the_network_looks_at_pictures_of_any_size(shared_data: Path, tmp_path: Path, shape: tuple[int, int]) -> None:
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((*shape, 3), 90 * number, np.uint8))
    detector = make_detector("yolox", shared_data / "models" / "yolox_nano.onnx")
    assert count(open_source(str(tmp_path)), detector, UPRIGHT).crossings == ()


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["--line", "-0.1,0,0.5,1"], "outside the picture: give four fractions"),  # left of the picture
        (["--line", "0.5,0,0.5,1.1"], "outside the picture"),  # below it
        (["--zone", "-1,0,1,0,1,1"], "outside the picture"),  # a zone that sticks out
        (["--zone", "0,0,1,1,1,0,0,1"], "crosses itself"),  # a bow tie
        (["--line", "320,0,320,480"], "outside the picture: give four fractions"),  # pixels
        (["--line", "0.5,0,0.5,1", "--fps", "0"], "from 0.5 to 60"),  # no pictures
        (["--line", "0.5,0,0.5,1", "--frames", "none"], "whole number"),  # no number
    ],
)
def test_what_cannot_be_counted_over_is_refused_before_anything_is_opened(
    arguments: list[str], remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["count", "/nowhere.mp4", *arguments])
    assert remedy in capsys.readouterr().err


def test_without_a_line_the_command_says_how_to_give_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["count", "/nowhere.mp4"]) == 2
    assert "give --line x1,y1,x2,y2" in capsys.readouterr().err


def test_several_lines_and_a_zone_are_counted_at_once_and_drawn(
    tmp_path: Path, scene: tuple[Scene, list[np.ndarray]], capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [picture[:359, :639] for picture in scene[1]]
    for number, picture in enumerate(odd):
        cv2.imwrite(str(tmp_path / f"{number:04d}.png"), picture)
    lines = ["0.4,0,0.4,1", "0.5,0,0.5,1", "0.6,1,0.6,0"]
    arguments = [part for line in lines for part in ("--line", line)] + ["--zone", "0,0,0.5,0,0.5,1,0,1"]
    preview = tmp_path / "preview.mp4"
    assert main(["count", str(tmp_path), *arguments, "--detector", "motion", "--json", "--preview", str(preview)]) == 0
    found = json.loads(capsys.readouterr().out)
    ins, outs = (sum(way == each for _, way in truth(scene[0])) for each in ("in", "out"))
    assert [(each["in"], each["out"]) for each in found["lines"]] == [
        (ins, outs),
        (ins, outs),
        (outs, ins),
        (ins, outs),
    ]
    assert (found["in"], found["out"]) == (3 * ins + outs, 3 * outs + ins)
    assert {each["line"] for each in found["events"]} == {0, 1, 2, 3}
    assert sum(1 for _ in VideoFile(preview).frames(60)) == found["frames"]


def test_somebody_who_turns_round_is_flagged_in_the_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene(14, "turn", 30)
    assert len(scene.truth()) >= 2
    scene.render(tmp_path / "a.mp4")
    main(["count", str(tmp_path / "a.mp4"), "--line", str(scene.line), "--detector", "motion", "--json"])
    events = json.loads(capsys.readouterr().out)["events"]
    assert [each.get("turned", False) for each in events] == [False, True] * (len(scene.truth()) // 2)


class Altered:
    """The clip with its pictures, its line and its clock changed: ``times`` gives how often each picture is shown."""

    live = False

    def __init__(self, path: Path, change: Callable[[Any, float], Any], times: Callable[[int], float]) -> None:
        self._path, self._change, self._times = path, change, times

    def frames(self, fps: float) -> Iterator[Frame]:
        pace, shown = Pace(fps), 0.0
        for frame in VideoFile(self._path).frames(60):
            shown += self._times(frame.number)
            while shown >= 1:
                shown -= 1
                if pace.wants(frame.t_s):
                    yield Frame(frame.number, frame.t_s, self._change(frame.picture, frame.t_s))


def sized(ratio: float) -> Callable[[Any, float], Any]:
    how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    return lambda picture, t_s: cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=how)


def lit(picture: Any, t_s: float) -> Any:
    return cv2.convertScaleAbs(picture, alpha=1 + 0.3 * np.sin(t_s / 9))


def grainy(picture: Any, t_s: float) -> Any:
    noise = np.random.default_rng(int(t_s * 10)).normal(0, 10, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


ALTERED: dict[str, tuple[Callable[[Any, float], Any], Line, tuple[int, int]]] = {
    "mirrored": (lambda picture, t_s: cv2.flip(picture, 1), Line(0.28, 0, 0.28, 1), (6, 0)),
    "line drawn upwards": (lambda picture, t_s: picture, Line(0.72, 1, 0.72, 0), (6, 0)),
    "line elsewhere": (lambda picture, t_s: picture, Line(0.66, 0, 0.78, 1), (0, 6)),
    "half the size": (sized(0.5), CLIP_LINE, (0, 6)),
    "twice the size": (sized(2), CLIP_LINE, (0, 6)),
    "cut on the left": (lambda picture, t_s: picture[:, 250:], Line(0.585, 0, 0.585, 1), (0, 6)),
    "cut at the top": (lambda picture, t_s: picture[60:], CLIP_LINE, (0, 6)),
    "dark": (lambda picture, t_s: cv2.convertScaleAbs(picture, alpha=0.5), CLIP_LINE, (0, 6)),
    "light that drifts": (lit, CLIP_LINE, (0, 6)),
    "grainy": (grainy, CLIP_LINE, (0, 6)),
}


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize("name", ALTERED)
def test_the_real_clip_counts_the_same_however_it_is_altered(shared_data: Path, name: str) -> None:
    change, line, expected = ALTERED[name]
    assert clip_counted(shared_data, change, lambda number: 1.0, line) == expected


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("every other picture", lambda number: 0.5),
        ("two of three", lambda number: 0.667),
        ("now and then a few lost", lambda number: float(number % 37 > 3)),
    ],
)
def test_the_real_clip_counts_the_same_with_pictures_left_out(
    shared_data: Path, name: str, times: Callable[[int], float]
) -> None:
    assert clip_counted(shared_data, lambda picture, t_s: picture, times, CLIP_LINE) == (0, 6)


def clip_counted(
    shared_data: Path, change: Callable[[Any, float], Any], times: Callable[[int], float], line: Line
) -> tuple[int, int]:
    source = Altered(shared_data / "video" / "one-by-one-person-detection.mp4", change, times)
    found = count(source, make_detector("yolox", shared_data / "models" / "yolox_nano.onnx"), line)
    return found.total("in"), found.total("out")
