"""A WSGI application on an event loop: every byte arrives in order, and small answers cross from their thread once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from community_flow.adapters.wsgi_in_threads import MOST_BYTES, WsgiInThreads

SCOPE = {
    "type": "http", "method": "POST", "path": "/", "query_string": b"", "http_version": "1.1", "scheme": "http",
    "headers": [(b"content-length", b"5")], "server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2),
}  # fmt: skip


def answered(app: Any, body: bytes = b"hello") -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        assert threading.current_thread() is threading.main_thread()
        sent.append(message)

    asyncio.run(WsgiInThreads(app, workers=2)(SCOPE, receive, send))
    return sent


def saying(*chunks: bytes) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        assert threading.current_thread() is not threading.main_thread()
        start_response("201 Created", [("Content-Type", "text/plain")])
        yield environ["wsgi.input"].read()
        yield from chunks

    return app


@pytest.mark.parametrize("sizes", [[], [3], [10, 20, 30], [MOST_BYTES, 1, 7], [1, 2 * MOST_BYTES, 3 * MOST_BYTES, 5]])
def test_every_byte_arrives_in_order(sizes: list[int]) -> None:
    chunks = [bytes([65 + place]) * size for place, size in enumerate(sizes)]
    start, *rest = answered(saying(*chunks))
    assert (start["type"], start["status"], start["headers"]) == (
        "http.response.start", 201, [(b"content-type", b"text/plain")]
    )  # fmt: skip
    assert b"".join(each["body"] for each in rest) == b"hello" + b"".join(chunks)
    assert [each.get("more_body", False) for each in rest] == [True] * (len(rest) - 1) + [False]


def test_a_large_answer_is_let_go_before_its_end() -> None:
    """Whoever asked for ten thousand cards sees them come, and they are never all in memory."""
    begun = threading.Event()

    def app(_: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"x" * (MOST_BYTES + 1)
        assert begun.wait(60), "nothing was sent before the answer's end"
        yield b"y"

    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message.get("body", b"").startswith(b"x"):
            begun.set()

    asyncio.run(WsgiInThreads(app, workers=2)(SCOPE, receive, send))
    assert sum(len(each.get("body", b"")) for each in sent) == MOST_BYTES + 2


def test_of_an_answer_that_breaks_nothing_is_sent_so_that_the_server_can_say_so() -> None:
    def app(_: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"half a"
        raise KeyError("page")

    with pytest.raises(KeyError):
        answered(app)
