"""What a device hears back, the same over HTTP and MQTT: an answer, or a refusal that names its remedy."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import structlog

from community_flow.domain.errors import Busy, FlowError, TooMany
from community_flow.ports.ingest import StoreAway
from community_flow.services.ingest import Untrusted
from sensors.wire import MAX_BYTES

log = structlog.get_logger()

JSON = "application/json"
PROBLEM = "application/problem+json"


class Refused(Exception):
    """What is wrong with the request itself."""

    def __init__(self, status: int, code: str, title: str, remedy: str) -> None:
        super().__init__(title)
        self.status, self.code, self.title, self.remedy = status, code, title, remedy


class Reply(NamedTuple):
    status: int
    body: bytes
    content_type: str = JSON
    retry_s: int | None = None


def reply_of(accept: Callable[[], Any]) -> Reply:
    """What ``accept`` answers, as JSON, or the refusal that stands for what it raised. Never raises."""
    try:
        return Reply(200, msgspec.json.encode(accept()))
    except Refused as error:
        return _problem(error.status, error.code, error.title, error.remedy)
    except Untrusted as error:
        return _problem(error.status, error.code, "This device is not trusted.", str(error))
    except TooMany as error:
        return _problem(error.status, error.code, "Too many requests.", str(error), error.retry_s)
    except Busy as error:
        return _problem(error.status, error.code, "Too much at once.", str(error), error.retry_s)
    except StoreAway as error:
        log.error("store away", cause=str(error))
        return _problem(error.status, error.code, "Nothing can be kept now.", str(error), error.retry_s)
    except FlowError as error:
        return _problem(error.status, error.code, "This body cannot be used.", str(error), field=error.field)
    except Exception:
        log.exception("ingest failed")
        remedy = "Nothing of this body was kept by this answer: keep your reports and send them again."
        return _problem(500, "broken", "Something broke on our side.", remedy)


def unzip(raw: bytes) -> bytes:
    """The decoded body, never more than MAX_BYTES of it in memory."""
    unzip = zlib.decompressobj(wbits=31)
    try:
        whole = unzip.decompress(raw, MAX_BYTES + 1)
    except zlib.error as error:
        raise Refused(400, "gzip", f"The body is not gzip ({error}).", "Send it again.") from error
    if len(whole) > MAX_BYTES:
        raise too_large()
    if not unzip.eof:
        raise Refused(400, "gzip", "The gzip body broke off.", "Send it again.")
    if unzip.unused_data:
        raise Refused(400, "gzip", "Something follows the gzip body.", "Send one gzip body and nothing after it.")
    return whole


def too_large() -> Refused:
    return Refused(
        413,
        "too-large",
        "The body is too large.",
        f"Send at most {MAX_BYTES} bytes (unpacked) and 1000 reports at once.",
    )


def _problem(
    status: int, code: str, title: str, remedy: str, retry_s: int | None = None, field: str | None = None
) -> Reply:
    body: dict[str, str | int] = {"type": f"about:blank#{code}", "title": title, "status": status, "detail": remedy}
    if field:
        body["field"] = field
    if retry_s is not None:
        body["retry_s"] = retry_s
    return Reply(status, msgspec.json.encode(body), PROBLEM, retry_s)
