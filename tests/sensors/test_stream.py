"""A camera on the network: its pictures and their times, and what is said and done when it goes away."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from sensors import faults, stream
from sensors.frames import CameraTrouble, Frame, open_source
from sensors.stream import Camera, StreamClock
from sensors.watching import Watch
from tests.sensors.fakes_camera import Film, film, http_camera, rtsp_camera

PICTURES = 60

Served = Callable[[Film], AbstractContextManager[str]]


@pytest.mark.parametrize("served", [http_camera, rtsp_camera])
def test_a_stream_gives_its_pictures_and_its_end_is_told(served: Served) -> None:
    with served(film(PICTURES, step_s=0.03)) as address:
        source = open_source(address)
        assert isinstance(source, Camera)
        assert source.live
        found: list[float] = []
        with pytest.raises(CameraTrouble, match="stopped giving pictures"):
            _take(source, found)
    assert 3 <= len(found) <= PICTURES
    assert found == sorted(found)


def _take(source: Camera, found: list[float], fps: float = 60) -> None:
    for frame in source.frames(fps):
        assert frame.picture.shape == (192, 320, 3)
        found.append(frame.t_s)


@pytest.mark.parametrize("served", [http_camera, rtsp_camera])
def test_a_stream_that_stalls_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STALL_MS", 1_000)
    with served(film(4, stalls=True)) as address, pytest.raises(CameraTrouble, match="stopped giving pictures"):
        _take(Camera(address), [])


def test_a_slow_pace_is_no_stall_and_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STALL_MS", 1_000)
    found: list[float] = []
    begun_s = time.monotonic()
    with http_camera(film(60)) as address, pytest.raises(CameraTrouble):
        _take(Camera(address), found, fps=0.7)
    assert 2 <= len(found) <= 0.7 * (time.monotonic() - begun_s) + 2


@pytest.mark.parametrize("served", [http_camera, rtsp_camera])
def test_a_camera_that_comes_back_is_looked_at_again(served: Served) -> None:
    """Each time it gives some pictures and closes; the watch opens it anew, and says lost and found in between."""
    desk, stop, begun = Faults(), threading.Event(), []

    def begin() -> Callable[[Frame, int], None]:
        begun.append(0)

        def take(frame: Frame, at_ms: int) -> None:
            begun[-1] += 1
            if len(begun) == 3:
                stop.set()

        return take

    with served(film(6, step_s=0.02)) as address:
        Watch(address, 30, "real", repeat=False).each(desk, stop, begin)  # type: ignore[arg-type]
    assert len(begun) == 3
    assert all(begun)
    lost = [on for name, on in desk.told if name == faults.CAMERA_LOST]
    assert [on for on, before in zip(lost, [None, *lost], strict=False) if on != before][:5] == [
        False, True, False, True, False,
    ]  # fmt: skip


class Faults:
    """The part of a desk that a watch speaks to."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bool]] = []

    def fault(self, name: str, on: bool = True) -> None:
        self.told.append((name, on))

    def moment(self, monotonic_s: float) -> int:
        return round(monotonic_s * 1000)


def test_the_moments_of_a_stream_are_even_though_the_network_delivers_in_bursts() -> None:
    clock, rng = StreamClock(), random.Random(3)
    for number in range(400):
        arrived_s = 100 + number / 20 + (rng.uniform(0, 0.4) if number % 7 else 0.0)
        taken_s = clock.at(arrived_s, 7000 + number / 20)
        if number > 100:
            assert taken_s == pytest.approx(100 + number / 20, abs=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.3, 25.0])
def test_stamps_that_run_at_a_rate_of_their_own_are_not_believed(rate: float) -> None:
    clock = StreamClock()
    for number in range(200):
        assert clock.at(100 + number / 10, number / 10 * rate) == pytest.approx(100 + number / 10, abs=1e-6)


def test_a_stream_whose_stamps_begin_anew_goes_on_forward() -> None:
    clock = StreamClock()
    taken = [clock.at(100 + number / 10, number % 80 / 10) for number in range(240)]
    assert taken == sorted(taken)
    assert taken[-1] == pytest.approx(100 + 239 / 10, abs=0.05)


@pytest.mark.parametrize("address", ["rtsp://127.0.0.1:9/stream", "http://127.0.0.1:9/stream", "usb:63"])
def test_a_camera_that_does_not_answer_is_told_soon(address: str) -> None:
    begun_s = time.monotonic()
    with pytest.raises(CameraTrouble, match="does not answer: check its cable"):
        next(iter(open_source(address).frames(10)))
    assert time.monotonic() - begun_s < 60


def test_a_camera_is_named_without_its_password() -> None:
    with pytest.raises(CameraTrouble) as told:
        next(iter(open_source("rtsp://admin:s3cret@127.0.0.1:9/stream").frames(10)))
    assert "s3cret" not in str(told.value)
    assert "rtsp://…@127.0.0.1:9/stream" in str(told.value)


def test_the_name_of_a_source_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"x")
    (tmp_path / "clip.mp4").write_bytes(b"x")
    kinds = {
        str(tmp_path): "ImageFolder",
        str(tmp_path / "clip.mp4"): "VideoFile",
        "scene:3": "LiveScene",
        "usb:0": "Camera",
    }
    assert {name: type(open_source(name)).__name__ for name in kinds} == kinds
