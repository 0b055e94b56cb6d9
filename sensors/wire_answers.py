"""What a device hears back. Its names are part of `sensors.wire`, which is where others take them from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sensors.canonical import canonical
from sensors.wire_json import parsed
from sensors.wire_rules import BOOT, LONG, SEQ, TIME, WireError, text


@dataclass(frozen=True)
class Through:
    """The highest seq of a boot below which the server misses nothing."""

    boot: int
    seq: int


@dataclass(frozen=True)
class Result:
    boot: int
    seq: int
    outcome: str
    reason: str | None = None


@dataclass(frozen=True)
class Answer:
    """A 200: every report in `results` is kept for good, whatever its outcome; a device deletes exactly those."""

    batch: str
    server_ms: int
    through: tuple[Through, ...]
    results: tuple[Result, ...]

    def encode(self) -> bytes:
        return canonical(
            {
                "batch": self.batch,
                "server_ms": self.server_ms,
                "through": [vars(each) for each in self.through],
                "results": [vars(each) for each in self.results],
            }
        ).encode()


def answer_from(encoded: str | bytes) -> Answer:
    """Parse a 200 answer; raises WireError, after which nothing may be deleted."""
    found = parsed(encoded)
    try:
        return Answer(
            batch=text(64)(found["batch"]),
            server_ms=TIME(found["server_ms"]),
            through=tuple(Through(BOOT(each["boot"]), SEQ(each["seq"])) for each in found["through"]),
            results=tuple(_result(each) for each in found["results"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WireError("answer", f"this is not an answer to a batch of reports ({error})") from None


def _result(found: Mapping[str, Any]) -> Result:
    reason = found.get("reason")
    outcome = text(20)(found["outcome"])
    return Result(BOOT(found["boot"]), SEQ(found["seq"]), outcome, None if reason is None else LONG(reason))


@dataclass(frozen=True)
class Refusal:
    """Not a 200: nothing in the body was kept by this answer; keep everything and do what `remedy` says."""

    status: int
    title: str
    remedy: str
    retry_after_s: float | None = None


def refusal_from(status: int, encoded: str | bytes, retry_after: str | None = None) -> Refusal:
    """Parse an RFC 9457 problem; never raises, because a proxy may answer with anything."""
    try:
        found = parsed(encoded)
    except WireError:
        found = {}
    found = found if isinstance(found, dict) else {}
    wait = float(retry_after) if retry_after and re.fullmatch(r"\d{1,6}", retry_after) else None
    return Refusal(status, str(found.get("title", f"HTTP {status}")), str(found.get("detail", "")), wait)
