"""Each request has an id: what is logged while it is answered carries it, and so does the answer."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

GIVEN_ID = re.compile(r"[0-9a-f-]{16,64}")
"""An id that a proxy gave is kept when it can be nothing else: no name, no telephone number."""

_request: ContextVar[dict[str, Any] | None] = ContextVar("request", default=None)
KEY = "flow.request"
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def with_id(inner: Wsgi) -> Wsgi:
    """Remember which request is being answered; its id is made when somebody asks for it."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answering(environ)
        return inner(environ, start_response)

    return answer


def answering(environ: dict[str, Any]) -> None:
    """From here on this thread answers that request."""
    _request.set(environ)


def id_given(environ: dict[str, Any]) -> list[tuple[str, str]]:
    """The header with a request's id when it has been asked for: something was logged of it."""
    return [("X-Request-Id", environ[KEY])] if KEY in environ else []


def request_id() -> str | None:
    """The id of the request that this thread answers, if it answers one."""
    environ = _request.get()
    if environ is None:
        return None
    if KEY not in environ:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        environ[KEY] = given if GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
    found: str = environ[KEY]
    return found
