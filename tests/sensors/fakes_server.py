"""A small real HTTP server that takes reports as the product does, and can be told to misbehave."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sensors.wire import PATH, Answer, Result, Through

Reply = tuple[int, bytes, dict[str, str]]


@dataclass
class FakeServer:
    """What it kept, and every body it was sent. ``next_replies`` come before proper answers, first to last."""

    url: str = ""
    token: str = "secret"
    kept: dict[tuple[int, int], str] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    next_replies: list[Reply | Callable[[dict[str, Any]], Reply | None]] = field(default_factory=list)
    ahead_ms: int = 0

    def reports(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = [json.loads(text) for text in self.kept.values()]
        return [each for each in found if kind in (None, each["kind"])]

    def answer(self, authorization: str | None, packed: bytes) -> Reply:
        if authorization != f"Bearer {self.token}":
            return problem(401, "Unknown device")
        body = gzip.decompress(packed)
        self.sizes.append(len(body))
        parsed = json.loads(body)
        self.bodies.append(parsed)
        if self.next_replies:
            reply = self.next_replies.pop(0)
            found = reply(parsed) if callable(reply) else reply
            if found is not None:
                return found
        return self.keep(parsed)

    def keep(self, parsed: dict[str, Any]) -> Reply:
        results = []
        for each in parsed["reports"]:
            key, text = (each["boot"], each["seq"]), json.dumps(each, sort_keys=True)
            outcome = "accepted" if key not in self.kept else "duplicate" if self.kept[key] == text else "conflict"
            self.kept.setdefault(key, text)
            results.append(Result(*key, outcome))
        now = time.time_ns() // 1_000_000 + self.ahead_ms
        through = tuple(
            Through(boot, max(seq for b, seq in self.kept if b == boot)) for boot in {b for b, _ in self.kept}
        )
        return 200, Answer(parsed["batch"], now, through, tuple(results)).encode(), {}


def problem(status: int, title: str, **headers: str) -> Reply:
    body = json.dumps({"title": title, "detail": "do better", "status": status}).encode()
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def serving(fake: FakeServer, port: int = 0) -> Iterator[FakeServer]:
    """Serve ``fake`` on loopback; with a port, on that one (to come back where it was)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            packed = self.rfile.read(int(self.headers["Content-Length"]))
            good = self.path == PATH
            status, body, headers = fake.answer(self.headers["Authorization"], packed) if good else problem(404, "No")
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
