"""`POST /v1/reports`: one WSGI callable beside Flask, whose own cost would be the larger part of a small report.

Routes made this way are listed in RAW_ROUTES, which the tests of roles, headers and OpenAPI read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from community_flow.entrypoints.ingest_replies import Refused, Reply, reply_of, too_large, unzip
from community_flow.entrypoints.security import HEADERS, POLICY
from community_flow.ports.ingest import Receipt
from community_flow.services.ingest import Ingest
from sensors.wire import MAX_BYTES, PATH

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

    def accept(environ: dict[str, Any]) -> Receipt:
        if environ["REQUEST_METHOD"] != "POST":
            raise Refused(405, "method", "Only POST is understood here.", "Send reports with POST.")
        # Trust before size: a stranger learns nothing about limits, and nothing of a stranger is read.
        device = ingest.admit(token_of(environ), _announced(environ))
        return ingest.accept(device, body_of(environ))

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        reply = reply_of(lambda: accept(environ))
        headers = headers_of(reply, https=environ.get("wsgi.url_scheme") == "https")
        start_response(f"{reply.status} {REASONS[reply.status]}", headers)
        return [reply.body]

    return answer


def headers_of(reply: Reply, *, https: bool) -> list[tuple[str, str]]:
    headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body))), *_HEADERS]
    if reply.retry_s is not None:
        headers.append(("Retry-After", str(reply.retry_s)))
    if reply.status == 405:
        headers.append(("Allow", "POST"))
    if https:
        headers.append(("Strict-Transport-Security", "max-age=31536000"))
    return headers


def token_of(environ: dict[str, Any]) -> str:
    """What the device says it is; raises Refused."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
        raise Refused(
            401, "no-token", "A device token is missing.", "Send the header Authorization: Bearer <device token>."
        )
    return str(token.strip())


def _announced(environ: dict[str, Any]) -> int:
    text = environ.get("CONTENT_LENGTH") or "0"
    return min(int(text), MAX_BYTES) if text.isdecimal() and len(text) < 16 else MAX_BYTES


def body_of(environ: dict[str, Any], read: bytes | None = None) -> bytes:
    """The decoded body, never more than MAX_BYTES of it in memory; ``read`` is what has arrived, where somebody else
    has read it. Raises Refused."""
    media = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise Refused(415, "media-type", "This is not JSON.", "Send the header Content-Type: application/json.")
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding not in ("gzip", "identity", ""):
        raise Refused(415, "encoding", "This encoding is not understood.", "Send it plain or with gzip.")
    raw = _read(environ) if read is None else read
    return unzip(raw) if encoding == "gzip" else raw


def _read(environ: dict[str, Any]) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    if not length and not chunked:
        raise Refused(411, "length", "The length is missing.", "Send Content-Length, or send in chunks.")
    if length and (not length.isdecimal() or len(length) > 15):
        raise Refused(400, "length", "The length is not a number.", "Send a right Content-Length.")
    if length and int(length) > MAX_BYTES:
        raise too_large()
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
        raise too_large()
    return whole
