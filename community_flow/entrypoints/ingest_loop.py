"""`POST /v1/reports` on the server's event loop.

The loop reads the request and writes the answer; one thread takes in all small bodies that have come by then and keeps
them with one commit, another does the same for what was collected, a few bodies at a time. Very large bodies, and
whatever is odd about a request, take the way of `ingest_http`, which answers alike: tests/contract/test_ways_in.py
holds the ways to one another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from community_flow.domain.errors import Busy, FlowError
from community_flow.entrypoints.ingest_http import REASONS, body_of, headers_of, token_of
from community_flow.entrypoints.ingest_replies import Refused, Reply, reply_of
from community_flow.entrypoints.measuring import measured_answer
from community_flow.entrypoints.request_ids import answering, id_given
from community_flow.ports.ingest import Meter, Receipt, Trusted
from community_flow.services.ingest import Ingest, Ready
from community_flow.services.lanes import LARGE_BYTES
from community_flow.services.together import MOST, Together
from sensors.wire import PATH

_TARGET = PATH.encode()

MOST_BYTES = 65_536
"""Held until it is whole, on as many lines as there are, so it cannot be much."""

GROUP_BYTES = 131_072
"""Some thousand collected reports are kept at a time: live ones may wait for them."""
MOST_COLLECTED = 24
"""While somebody reports live the last of them hears some five seconds later; a device waits for twenty."""

_NAMES = {
    b"authorization": "HTTP_AUTHORIZATION",
    b"content-type": "CONTENT_TYPE",
    b"content-length": "CONTENT_LENGTH",
    b"content-encoding": "HTTP_CONTENT_ENCODING",
    b"x-request-id": "HTTP_X_REQUEST_ID",
    b"transfer-encoding": "HTTP_TRANSFER_ENCODING",
}


class Asked(NamedTuple):
    """A request whose body has arrived; ``environ`` as WSGI has it, with what is looked at. ``size`` is in bytes when
    unpacked, as far as the body says."""

    environ: dict[str, Any]
    body: bytes
    size: int


Admitted: TypeAlias = tuple[Trusted, bytes]
"""A device that may send this, and the unpacked body."""


class Ticket(NamedTuple):
    """Who is to hear an answer, and where. ``begun_s`` by `time.perf_counter`."""

    loop: asyncio.AbstractEventLoop
    environ: dict[str, Any]
    https: bool
    begun_s: float
    answered: Callable[[bytes, bytes], None]


class ReportsDesk:
    """The desk of `adapters.short_requests`."""

    def __init__(self, ingest: Ingest, meter: Meter) -> None:
        self.ingest, self.meter = ingest, meter
        self.together: Together[Asked, Ticket, Reply] = Together(self.live_replies, self._deliver)
        self.collected: Together[Asked, Ticket, Reply] = Together(
            self.late_replies, self._deliver, _weight, MOST_COLLECTED
        )

    def takes(self, method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> dict[str, Any] | None:
        """The request as WSGI has it, or None when it is not for this desk. Header names are in lower case."""
        if target != _TARGET or method != b"POST":
            return None
        environ = _environ(headers)
        length = environ.get("CONTENT_LENGTH", "")
        if len(length) > len(str(MOST_BYTES)) or not length.isdecimal() or int(length) > MOST_BYTES:
            return None
        # Of strangers nothing large is held: on the other way they are sent off before anything is read.
        return environ if int(length) <= LARGE_BYTES or self._was_here(environ) else None

    def _was_here(self, environ: dict[str, Any]) -> bool:
        try:
            return self.ingest.trust.knows(token_of(environ))
        except Refused:
            return False

    def ask(self, taken: dict[str, Any], body: bytes, https: bool, answered: Callable[[bytes, bytes], None]) -> None:
        """Take in the body of what `takes` gave; ``answered`` is told head and body of the answer later, on the loop
        that this is called on."""
        ticket = Ticket(asyncio.get_running_loop(), taken, https, time.perf_counter(), answered)
        asked = Asked(taken, body, _size(taken, body))
        try:
            (self.collected if asked.size > LARGE_BYTES else self.together).put(asked, ticket)
        except Busy as error:
            self._tell(ticket, error)

    def _tell(self, ticket: Ticket, found: Reply | Exception) -> None:
        reply = _refusal(ticket.environ, found) if isinstance(found, Exception) else found
        measured_answer(self.meter, "POST", PATH, str(reply.status), ticket.begun_s)
        head = _head(reply.status, reply.content_type, reply.retry_s, ticket.https)
        length = b"Content-Length: %d\r\n" % len(reply.body)
        ticket.answered(head + length + _lines(id_given(ticket.environ)), reply.body)

    def live_replies(self, asked: Sequence[Asked]) -> list[Reply]:
        """What each is to hear, after one commit for all that can be kept. What is raised here is a fault of ours."""
        admitted = [self._admitted(each) for each in asked]
        if not all(isinstance(each, Exception) for each in admitted):
            self.ingest.lanes.live()
        return self._replies(asked, admitted)

    def late_replies(self, asked: Sequence[Asked]) -> list[Reply]:
        """The same for what was collected, when there is a place for it."""
        admitted = [self._admitted(each) for each in asked]
        size = sum(each.size for each, found in zip(asked, admitted, strict=True) if not isinstance(found, Exception))
        with self.ingest.lanes.enter(size) if size else nullcontext():
            return self._replies(asked, admitted)

    def _replies(self, asked: Sequence[Asked], admitted: Sequence[Admitted | Exception]) -> list[Reply]:
        prepared = self._prepared(admitted)
        kept = iter(self.ingest.keep([each for each in prepared if isinstance(each, Ready)]))
        return [
            _reply(each, next(kept) if isinstance(found, Ready) else found)
            for each, found in zip(asked, prepared, strict=True)
        ]

    def _prepared(self, admitted: Sequence[Admitted | Exception]) -> list[Ready | Exception]:
        taken = [each for each in admitted if not isinstance(each, Exception)]
        ready = iter(self._together(taken))
        return [each if isinstance(each, Exception) else next(ready) for each in admitted]

    def _together(self, taken: Sequence[Admitted]) -> Sequence[Ready | Exception]:
        try:
            return self.ingest.prepare_together(taken)
        except FlowError as error:  # the store is away
            return [error] * len(taken)

    def _admitted(self, asked: Asked) -> Admitted | Exception:
        answering(asked.environ)
        try:
            device = self.ingest.admit(token_of(asked.environ), len(asked.body))
            return device, body_of(asked.environ, asked.body)
        except (FlowError, Refused) as error:
            return error

    def _deliver(self, tickets: Sequence[Ticket], replies: Sequence[Reply | Exception]) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile, and with it every line to those who asked
            tickets[0].loop.call_soon_threadsafe(self._tell_all, tickets, replies)

    def _tell_all(self, tickets: Sequence[Ticket], replies: Sequence[Reply | Exception]) -> None:
        for ticket, reply in zip(tickets, replies, strict=True):
            # Each in a turn of its own: a line that breaks breaks no other.
            ticket.loop.call_soon(self._tell, ticket, reply)


@lru_cache(maxsize=64)
def _head(status: int, content_type: str, retry_s: int | None, https: bool) -> bytes:
    """Status line and headers, without those that are of one answer only."""
    headers = headers_of(Reply(status, b"", content_type, retry_s), https=https)
    lines = _lines([each for each in headers if each[0] != "Content-Length"])
    return f"HTTP/1.1 {status} {REASONS[status]}\r\n".encode() + lines


def _lines(headers: Sequence[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode()


def _size(environ: dict[str, Any], body: bytes) -> int:
    """A packed body says at its end how large it is unpacked (RFC 1952); a wrong size is found when it is unpacked."""
    packed = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower() == "gzip"
    return max(len(body), int.from_bytes(body[-4:], "little")) if packed else len(body)


def _weight(asked: Asked) -> float:
    return MOST * asked.size / GROUP_BYTES


def _reply(asked: Asked, found: Receipt | Exception) -> Reply:
    return _refusal(asked.environ, found) if isinstance(found, Exception) else reply_of(lambda: found)


def _refusal(environ: dict[str, Any], error: Exception) -> Reply:
    def raised() -> Receipt:
        raise error

    answering(environ)  # what is logged of it carries its id
    return reply_of(raised)


def _environ(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, Any]:
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST"}
    for name, value in headers:
        key = _NAMES.get(name)
        if key is not None:
            environ[key] = value.decode("latin-1")
    return environ
