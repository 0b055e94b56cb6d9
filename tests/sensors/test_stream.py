"""A camera on the network: its pictures, and what is said when it goes away."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from sensors.frames import Camera, CameraTrouble, open_source
from sensors.scene import Scene

PICTURES = 12


class MotionJpeg(http.server.BaseHTTPRequestHandler):
    """A camera that gives some pictures and is gone."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for frame in Scene(1, "single", PICTURES / 10, width=320, height=180).frames():
            jpeg = cv2.imencode(".jpg", frame.picture)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")
            time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stream() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), MotionJpeg)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/stream"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stream_gives_its_pictures_and_its_end_is_told(stream: str) -> None:
    source = open_source(stream)
    assert isinstance(source, Camera)
    assert source.live
    found: list[float] = []
    with pytest.raises(CameraTrouble, match="stopped giving pictures"):
        found.extend(_taken(source, found))
    assert 3 <= len(found) <= PICTURES
    assert found == sorted(found)


def _taken(source: Camera, found: list[float]) -> list[float]:
    for frame in source.frames(30):
        assert frame.picture.shape == (180, 320, 3)
        found.append(frame.t_s)
    return []


@pytest.mark.parametrize("address", ["rtsp://127.0.0.1:9/stream", "http://127.0.0.1:9/stream", "usb:63"])
def test_a_camera_that_does_not_answer_is_told_soon(address: str) -> None:
    begun_s = time.monotonic()
    with pytest.raises(CameraTrouble, match="does not answer: check its cable"):
        next(iter(open_source(address).frames(10)))
    assert time.monotonic() - begun_s < 15


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
