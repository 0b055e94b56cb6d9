"""uvicorn's HTTP with a short way for requests that an application wants whole: short ones, many of them a second.

A request costs uvicorn a task, an event and five crossings between coroutines: half of what the loop had to do for a
report of somebody at a gate. On the short way the application is given head and body in one call and answers with
another. All that is odd about a request sends it the long way, where the same is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from community_flow.adapters.one_write import OneWrite

BODY_S = 30.0
"""Whoever has sent no whole body by then has gone: on a slow line 64 KiB take a few seconds."""

Headers = Sequence[tuple[bytes, bytes]]


class Answered(Protocol):
    def __call__(self, head: bytes, body: bytes) -> None:
        """The answer: status line and headers, each line with its end; called on the loop."""


class Desk(Protocol):
    """What an application has as its ``desk``."""

    def takes(self, method: bytes, target: bytes, headers: Headers) -> Any | None:
        """What the application wants to know again with the body, or None for a request that goes the long way.
        Header names are in lower case."""

    def ask(self, taken: Any, body: bytes, https: bool, answered: Answered) -> None:
        """A request whose body is here; called on the loop, returns at once."""


class _Nobody:
    """Stands where uvicorn wakes a coroutine."""

    def set(self) -> None: ...


_NOBODY = _Nobody()


class Short:
    """A request on the short way, in uvicorn's place of one."""

    __slots__ = (
        "body", "disconnected", "keep_alive", "message_event", "more_body", "overdue", "response_complete", "taken",
    )  # fmt: skip

    def __init__(self, taken: Any, keep_alive: bool) -> None:
        self.taken, self.keep_alive = taken, keep_alive
        self.body = bytearray()
        self.more_body = True
        self.overdue: asyncio.TimerHandle | None = None
        self.response_complete = self.disconnected = False
        self.message_event = _NOBODY


class ShortRequests(OneWrite):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.desk: Desk | None = getattr(self.config.loaded_app, "desk", None)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        short: Any = self.cycle
        if type(short) is Short and short.more_body and short.overdue is None:  # nearly always it came in one piece
            short.overdue = self.loop.call_later(BODY_S, self._give_up, short)

    def _give_up(self, short: Short) -> None:
        if short.more_body:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        short: Any = self.cycle
        if type(short) is Short and short.overdue is not None:
            short.overdue.cancel()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        taken = self._taken()
        if taken is None:
            super().on_headers_complete()
        else:
            self.cycle = Short(taken, self.parser.should_keep_alive())  # type: ignore[assignment]

    def _taken(self) -> Any | None:
        """None also while an answer is on its way: answers leave in the order of their requests."""
        if self.desk is None or (self.cycle is not None and not self.cycle.response_complete):
            return None
        if self.expect_100_continue or self.flow.write_paused or self.parser.should_upgrade():
            return None
        if self.parser.get_http_version() != "1.1":
            return None
        return self.desk.takes(self.parser.get_method(), self.url, self.headers)

    def on_message_complete(self) -> None:
        short: Any = self.cycle
        if type(short) is not Short:
            super().on_message_complete()
        elif short.more_body:
            short.more_body = False
            if short.overdue is not None:
                short.overdue.cancel()
            self._ask(short)

    def _ask(self, short: Short) -> None:
        def answered(head: bytes, body: bytes) -> None:
            if not self.transport.is_closing():
                self._answer(short, head, body)

        assert self.desk is not None
        # A line that is kept open keeps its last request: the body must not lie there for as long.
        body, short.body = bytes(short.body), bytearray()
        self.desk.ask(short.taken, body, self.scheme == "https", answered)

    def _answer(self, short: Short, head: bytes, body: bytes) -> None:
        parts = [head, *self._default_lines()]
        if not short.keep_alive:
            parts.append(b"connection: close\r\n")
        self.transport.write_now(b"".join((*parts, b"\r\n", body)))  # type: ignore[attr-defined]
        short.response_complete = True
        if not short.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _default_lines(self) -> list[bytes]:
        return [b"%s: %s\r\n" % each for each in self.server_state.default_headers]
