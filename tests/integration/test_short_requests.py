"""What a server holds of requests on the short way: no body longer than it is needed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
import uvicorn

from community_flow.adapters import short_requests
from community_flow.adapters.short_requests import ShortRequests
from tests.services import free_port, listens, wait_until

BODY = b"x" * 40_000
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


class Echo:
    """An application that is told lengths of bodies on the short way, and answers with them."""

    def __init__(self) -> None:
        self.desk = self

    def takes(self, method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> str:
        return "taken"

    def ask(self, taken: str, body: bytes, https: bool, answered: Callable[[bytes, bytes], None]) -> None:
        said = str(len(body)).encode()
        answered(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(said), said)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nothing here goes the long way")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    monkeypatch.setattr(short_requests, "BODY_S", 0.3)
    config = uvicorn.Config(
        Echo(), port=free_port(), http=ShortRequests, ws="none", lifespan="off", log_config=None, proxy_headers=False,
        timeout_keep_alive=600,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: listens(config.port), "the server")
    yield server
    server.should_exit = True
    thread.join(60)


def line_to(server: uvicorn.Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.config.port), timeout=60)


def test_a_body_that_was_answered_is_held_no_longer(server: uvicorn.Server) -> None:
    with closing(line_to(server)) as line:
        line.sendall(REQUEST)
        assert line.recv(65_536).endswith(b"\r\n\r\n40000")
        wait_until(lambda: len(server.server_state.connections) == 1, "who looked for the server is forgotten")
        (kept,) = server.server_state.connections
        assert len(kept.cycle.body) == 0  # type: ignore[union-attr]


def test_a_line_on_which_no_whole_body_comes_is_closed(server: uvicorn.Server) -> None:
    with closing(line_to(server)) as slow, closing(line_to(server)) as quick:
        slow.sendall(REQUEST[:-1])
        quick.sendall(REQUEST)
        assert quick.recv(65_536).endswith(b"40000")
        assert slow.recv(65_536) == b""
        wait_until(lambda: len(server.server_state.connections) == 1, "the slow line is forgotten")
        quick.sendall(REQUEST)
        assert quick.recv(65_536).endswith(b"40000")
