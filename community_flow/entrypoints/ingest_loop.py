"""`POST /v1/reports` on the server's event loop, for bodies such as somebody at a gate sends.

The loop reads the request and writes the answer; one thread takes in all bodies that have come by then and keeps them
with one commit. Larger bodies, and whatever is odd about a request, take the way of `ingest_http`, which answers alike:
tests/contract/test_ways_in.py holds the two to one another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from community_flow.domain.errors import Busy, FlowError
from community_flow.entrypoints.ingest_http import body_of, headers_of, token_of
from community_flow.entrypoints.ingest_replies import Refused, Reply, reply_of
from community_flow.entrypoints.measuring import measured_answer
from community_flow.entrypoints.request_ids import answering, id_given
from community_flow.ports.ingest import Meter, Receipt, Trusted
from community_flow.services.ingest import Ingest, Ready
from community_flow.services.together import Together
from sensors.wire import PATH

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SMALL_BYTES = 4_096
"""What somebody at a gate sends."""

_NAMES = {
    b"authorization": "HTTP_AUTHORIZATION",
    b"content-type": "CONTENT_TYPE",
    b"content-length": "CONTENT_LENGTH",
    b"content-encoding": "HTTP_CONTENT_ENCODING",
    b"x-request-id": "HTTP_X_REQUEST_ID",
    b"transfer-encoding": "HTTP_TRANSFER_ENCODING",
}


class Asked(NamedTuple):
    """A request whose body has arrived; ``environ`` as WSGI has it, with what is looked at."""

    environ: dict[str, Any]
    body: bytes


class ReportsDesk:
    """An ASGI callable for requests that `takes` says yes to."""

    def __init__(self, ingest: Ingest, meter: Meter) -> None:
        self.ingest, self.meter = ingest, meter
        self.together: Together[Asked, asyncio.Future[Reply | Exception], Reply] = Together(self.replies, self._deliver)

    def takes(self, scope: Scope) -> bool:
        if scope["path"] != PATH or scope["method"] != "POST":
            return False
        environ = scope["environ"] = _environ(scope)
        length = environ.get("CONTENT_LENGTH", "")
        return len(length) <= len(str(SMALL_BYTES)) and length.isdecimal() and int(length) <= SMALL_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun_s = time.perf_counter()
        body = await _whole(receive)
        if body is None:
            return
        environ: dict[str, Any] = scope["environ"]
        reply = await self._reply(Asked(environ, body))
        measured_answer(self.meter, "POST", PATH, str(reply.status), begun_s)
        headers = headers_of(reply, https=scope["scheme"] == "https") + id_given(environ)
        await send({
            "type": "http.response.start", "status": reply.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers],
        })  # fmt: skip
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, asked: Asked) -> Reply:
        ticket: asyncio.Future[Reply | Exception] = asyncio.get_running_loop().create_future()
        try:
            self.together.put(asked, ticket)
        except Busy as error:
            return _refusal(asked, error)
        reply = await ticket
        return _refusal(asked, reply) if isinstance(reply, Exception) else reply

    def replies(self, asked: Sequence[Asked]) -> list[Reply]:
        """What each is to hear, after one commit for all that can be kept. What is raised here is a fault of ours."""
        prepared = self._prepared(asked)
        kept = iter(self.ingest.keep([each for each in prepared if isinstance(each, Ready)]))
        return [
            _reply(each, next(kept) if isinstance(found, Ready) else found)
            for each, found in zip(asked, prepared, strict=True)
        ]

    def _prepared(self, asked: Sequence[Asked]) -> list[Ready | Exception]:
        admitted = [self._admitted(each) for each in asked]
        taken = [each for each in admitted if not isinstance(each, Exception)]
        ready = iter(self._together(taken))
        return [each if isinstance(each, Exception) else next(ready) for each in admitted]

    def _together(self, taken: Sequence[tuple[Trusted, bytes]]) -> Sequence[Ready | Exception]:
        try:
            return self.ingest.prepare_together(taken)
        except FlowError as error:  # the store is away
            return [error] * len(taken)

    def _admitted(self, asked: Asked) -> tuple[Trusted, bytes] | Exception:
        answering(asked.environ)
        try:
            device = self.ingest.admit(token_of(asked.environ), len(asked.body))
            return device, body_of(asked.environ, asked.body)
        except (FlowError, Refused) as error:
            return error

    def _deliver(
        self, tickets: Sequence[asyncio.Future[Reply | Exception]], replies: Sequence[Reply | Exception]
    ) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile, and with it every line to those who asked
            tickets[0].get_loop().call_soon_threadsafe(_settle, tickets, replies)


def _settle(tickets: Sequence[asyncio.Future[Reply | Exception]], replies: Sequence[Reply | Exception]) -> None:
    for ticket, reply in zip(tickets, replies, strict=True):
        if not ticket.done():  # it is when the server is ending
            ticket.set_result(reply)


def _reply(asked: Asked, found: Receipt | Exception) -> Reply:
    return _refusal(asked, found) if isinstance(found, Exception) else reply_of(lambda: found)


def _refusal(asked: Asked, error: Exception) -> Reply:
    def raised() -> Receipt:
        raise error

    answering(asked.environ)  # what is logged of it carries its id
    return reply_of(raised)


def _environ(scope: Scope) -> dict[str, Any]:
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST"}
    for name, value in scope["headers"]:
        key = _NAMES.get(name)
        if key is not None:
            environ[key] = value.decode("latin-1")
    return environ


async def _whole(receive: Receive) -> bytes | None:
    """The body, which the server ends at its announced length; None when whoever asked has gone."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
