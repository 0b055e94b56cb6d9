"""`POST /v1/reports`: one WSGI callable beside Flask, whose own cost would be the larger part of a small report.

Routes made this way are listed in RAW_ROUTES, which the tests of roles, headers and OpenAPI read.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import structlog

from community_flow.domain.errors import FlowError, TooMany
from community_flow.entrypoints.security import HEADERS, POLICY
from community_flow.ports.ingest import StoreAway
from community_flow.services.ingest import Ingest, Untrusted
from sensors.wire import MAX_BYTES, PATH

log = structlog.get_logger()

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
CHUNK = 64 * 1024
MAX_TOKEN = 200

RAW_ROUTES: dict[str, dict[str, str]] = {
    PATH: {"POST": "device"},
}
"""Address -> method -> who may call it, for routes that Flask does not know."""

_HEADERS = [
    *HEADERS.items(),
    ("Content-Security-Policy", POLICY),
    ("Cache-Control", "no-store"),
]


class Refused(Exception):
    """What is wrong with the request itself."""

    def __init__(self, status: int, code: str, title: str, remedy: str) -> None:
        super().__init__(title)
        self.status, self.code, self.title, self.remedy = status, code, title, remedy


class Reply(NamedTuple):
    status: int
    body: bytes
    content_type: str = "application/json"
    retry_s: int | None = None


REASONS = {
    200: "OK",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    400: "Bad Request",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def reports_route(ingest: Ingest) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """The callable for the server's table of raw routes."""

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        reply = _reply(ingest, environ)
        headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body))), *_HEADERS]
        if reply.retry_s is not None:
            headers.append(("Retry-After", str(reply.retry_s)))
        if reply.status == 405:
            headers.append(("Allow", "POST"))
        if environ.get("wsgi.url_scheme") == "https":
            headers.append(("Strict-Transport-Security", "max-age=31536000"))
        start_response(f"{reply.status} {REASONS[reply.status]}", headers)
        return [reply.body]

    return answer


def _reply(ingest: Ingest, environ: dict[str, Any]) -> Reply:
    try:
        return _accept(ingest, environ)
    except Refused as error:
        return _problem(error.status, error.code, error.title, error.remedy)
    except Untrusted as error:
        return _problem(error.status, error.code, "This device is not trusted.", str(error))
    except TooMany as error:
        return _problem(error.status, error.code, "Too many requests.", str(error), error.retry_s)
    except StoreAway as error:
        log.error("store away", cause=str(error))
        return _problem(error.status, error.code, "Nothing can be kept now.", str(error), error.retry_s)
    except FlowError as error:
        return _problem(error.status, error.code, "This body cannot be used.", str(error), field=error.field)
    except Exception:
        log.exception("ingest failed")
        remedy = "Nothing of this body was kept by this answer: keep your reports and send them again."
        return _problem(500, "broken", "Something broke on our side.", remedy)


def _accept(ingest: Ingest, environ: dict[str, Any]) -> Reply:
    if environ["REQUEST_METHOD"] != "POST":
        raise Refused(405, "method", "Only POST is understood here.", "Send reports with POST.")
    # Trust before size: a stranger learns nothing about limits, and nothing of a stranger is read.
    device = ingest.admit(_token(environ), _announced(environ))
    answer = ingest.accept(device, _body(environ))
    return Reply(200, msgspec.json.encode(answer))


def _token(environ: dict[str, Any]) -> str:
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
        raise Refused(
            401, "no-token", "A device token is missing.", "Send the header Authorization: Bearer <device token>."
        )
    return str(token.strip())


def _announced(environ: dict[str, Any]) -> int:
    text = environ.get("CONTENT_LENGTH") or "0"
    return min(int(text), MAX_BYTES) if text.isdecimal() and len(text) < 16 else MAX_BYTES


def _body(environ: dict[str, Any]) -> bytes:
    """The decoded body, never more than MAX_BYTES of it in memory."""
    media = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise Refused(415, "media-type", "This is not JSON.", "Send the header Content-Type: application/json.")
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding not in ("gzip", "identity", ""):
        raise Refused(415, "encoding", "This encoding is not understood.", "Send it plain or with gzip.")
    raw = _read(environ)
    return _unzip(raw) if encoding == "gzip" else raw


def _read(environ: dict[str, Any]) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    if not length and not chunked:
        raise Refused(411, "length", "The length is missing.", "Send Content-Length, or send in chunks.")
    if length and (not length.isdecimal() or len(length) > 15):
        raise Refused(400, "length", "The length is not a number.", "Send a right Content-Length.")
    if length and int(length) > MAX_BYTES:
        raise _too_large()
    return _gather(environ["wsgi.input"], int(length) if length else None)


def _gather(stream: Any, length: int | None) -> bytes:
    wanted = MAX_BYTES + 1 if length is None else length
    parts: list[bytes] = []
    while wanted > 0:
        part = stream.read(min(CHUNK, wanted))
        if not part:
            break
        parts.append(part)
        wanted -= len(part)
    whole = b"".join(parts)
    if length is not None and len(whole) < length:
        raise Refused(400, "cut-off", "The body broke off.", "Send it again.")
    if len(whole) > MAX_BYTES:
        raise _too_large()
    return whole


def _unzip(raw: bytes) -> bytes:
    unzip = zlib.decompressobj(wbits=31)
    try:
        whole = unzip.decompress(raw, MAX_BYTES + 1)
    except zlib.error as error:
        raise Refused(400, "gzip", f"The body is not gzip ({error}).", "Send it again.") from error
    if len(whole) > MAX_BYTES:
        raise _too_large()
    if not unzip.eof:
        raise Refused(400, "gzip", "The gzip body broke off.", "Send it again.")
    return whole


def _too_large() -> Refused:
    return Refused(
        413,
        "too-large",
        "The body is too large.",
        f"Send at most {MAX_BYTES} bytes (unpacked) and 1000 reports at once.",
    )


def _problem(
    status: int, code: str, title: str, remedy: str, retry_s: int | None = None, field: str | None = None
) -> Reply:
    body = {"type": f"about:blank#{code}", "title": title, "status": status, "detail": remedy}
    if field:
        body["field"] = field
    return Reply(status, msgspec.json.encode(body), "application/problem+json", retry_s)
