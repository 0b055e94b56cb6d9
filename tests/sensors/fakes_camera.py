"""Cameras on the network, of rendered pictures: MJPEG over HTTP, and RTSP with JPEG in RTP (RFC 2326, RFC 2435)."""

from __future__ import annotations

import http.server
import socketserver
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import cv2
import numpy as np

from sensors.scene import Scene


@dataclass
class Film:
    """What a camera shows to each who asks: ``jpegs``, one every ``step_s``; ``stalls`` leaves the line open then."""

    jpegs: Sequence[bytes]
    step_s: float = 0.05
    stalls: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    def each(self) -> Iterator[bytes]:
        for jpeg in self.jpegs:
            if self.over.is_set():
                return
            yield jpeg
            time.sleep(self.step_s)
        if self.stalls:
            self.over.wait(60)


def film(pictures: int, step_s: float = 0.05, stalls: bool = False) -> Film:
    """So many pictures of people walking."""
    frames = Scene(1, "single", pictures / 10, width=320, height=192).frames()
    return Film([cv2.imencode(".jpg", frame.picture)[1].tobytes() for frame in frames], step_s, stalls)


@contextmanager
def http_camera(film: Film) -> Iterator[str]:
    class MotionJpeg(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                for jpeg in film.each():
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                pass  # whoever looked has gone

        def log_message(self, *_: object) -> None:
            pass

    with _served(http.server.ThreadingHTTPServer(("127.0.0.1", 0), MotionJpeg), film) as port:
        yield f"http://127.0.0.1:{port}/stream"


@contextmanager
def rtsp_camera(film: Film) -> Iterator[str]:
    class Rtsp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                while (method := self._asked()) is not None:
                    if method == "PLAY":
                        self._play()
                        return
            except OSError:
                pass  # whoever looked has gone

        def _asked(self) -> str | None:
            """Answer one request; its method."""
            first = self.rfile.readline().decode()
            if not first:
                return None
            method, url, _ = first.split()
            headers = {}
            while (row := self.rfile.readline().decode().strip()) != "":
                name, _, value = row.partition(":")
                headers[name.lower()] = value.strip()
            more, body = _answer(method, url, headers)
            head = f"RTSP/1.0 200 OK\r\nCSeq: {headers['cseq']}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
            self.wfile.write((head + body).encode())
            return method

        def _play(self) -> None:
            number, begun_s = 0, time.monotonic()
            for jpeg in film.each():
                stamp = int((time.monotonic() - begun_s) * 90_000)
                for packet in rtp_packets(jpeg, number, stamp):
                    self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                    number += 1

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with _served(Server(("127.0.0.1", 0), Rtsp), film) as port:
        yield f"rtsp://127.0.0.1:{port}/stream"


def _answer(method: str, url: str, headers: dict[str, str]) -> tuple[str, str]:
    if method == "DESCRIBE":
        sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=gate\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track\r\n"
        return f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\n", sdp
    if method == "SETUP":
        return f"Transport: {headers['transport'].split(',')[0]}\r\nSession: 7\r\n", ""
    return "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\nSession: 7\r\n", ""


def rtp_packets(jpeg: bytes, number: int, stamp: int) -> Iterator[bytes]:
    """One picture as RFC 2435 carries it: the scan without headers, the quantisation tables with the first packet."""
    tables, scan, (height, width) = _parts(jpeg)
    for offset in range(0, len(scan), 1200):
        part = scan[offset : offset + 1200]
        last = offset + 1200 >= len(scan)
        rtp = struct.pack(">BBHII", 0x80, 26 | (0x80 if last else 0), (number + offset // 1200) & 0xFFFF, stamp, 1)
        head = struct.pack(">I", offset) + struct.pack(">BBBB", 1, 255, width // 8, height // 8)
        yield rtp + head + (struct.pack(">BBH", 0, 0, len(tables)) + tables if offset == 0 else b"") + part


def _parts(jpeg: bytes) -> tuple[bytes, bytes, tuple[int, int]]:
    """Quantisation tables, entropy-coded scan, (height, width)."""
    tables, size, at = b"", (0, 0), 2
    while True:
        marker, length = jpeg[at + 1], struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        body = jpeg[at + 4 : at + 2 + length]
        if marker == 0xDB:
            tables += b"".join(body[start + 1 : start + 65] for start in range(0, len(body), 65))
        elif marker == 0xC0:
            size = struct.unpack(">HH", body[1:5])
        at += 2 + length
        if marker == 0xDA:
            return tables, jpeg[at:-2], size


@contextmanager
def _served(server: socketserver.BaseServer, film: Film) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield int(server.server_address[1])  # type: ignore[index]
    finally:
        film.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def shifted(picture: np.ndarray, across: float) -> np.ndarray:
    """What a camera sees that somebody has turned by that share of its view."""
    return np.roll(picture, round(picture.shape[1] * across), axis=1)
