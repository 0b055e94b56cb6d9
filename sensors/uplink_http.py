"""Reports to the server over HTTP, and back-off when it does not answer. Standard library only."""

from __future__ import annotations

import gzip
import http.client
import random
import secrets
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from sensors.device_clock import DeviceClock
from sensors.outbox import Kept, Outbox
from sensors.wire import MAX_REPORTS, PATH, Answer, Refusal, answer_from, pack, refusal_from
from sensors.wire_rules import WireError

TIMEOUT_S = 20.0
MOST_ANSWER = 1 << 20
UNREADABLE = frozenset({400, 413, 415, 422})
"""The server read the body and cannot use it: asking again changes nothing, asking for less may."""


class NoAnswer(OSError):
    """The server could not be reached, or what answered is not it; nothing may be deleted."""


class BadAddress(ValueError):
    """A server address that cannot be used; the message names the remedy."""


class Uplink(Protocol):
    """A way to the server."""

    def send(self, body: bytes) -> Answer | Refusal:
        """Hand over one body; raises NoAnswer."""
        ...

    def close(self) -> None: ...


class HttpUplink:
    """One connection to the server, opened again when it breaks."""

    def __init__(self, server: str, token: str, ca_file: Path | None = None) -> None:
        self._parts, self._ca_file = server_parts(server), ca_file
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        }
        self._line: http.client.HTTPConnection | None = None

    def send(self, body: bytes) -> Answer | Refusal:
        """Post one body; raises NoAnswer."""
        try:
            status, found, retry_after = self._post(gzip.compress(body, 6, mtime=0))
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(f"{self._parts.geturl()} does not answer ({error or type(error).__name__})") from error
        if status != 200:
            return refusal_from(status, found, retry_after)
        try:
            return answer_from(found)
        except WireError as error:
            raise NoAnswer(f"{self._parts.geturl()} answers, but not as a Community Flow server ({error})") from error

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _post(self, packed: bytes) -> tuple[int, bytes, str | None]:
        if self._line is None:
            self._line = connected(self._parts, self._ca_file)
        self._line.request("POST", self._parts.path.rstrip("/") + PATH, packed, self._headers)
        response = self._line.getresponse()
        found = response.read(MOST_ANSWER)
        if response.will_close or not response.isclosed():
            self.close()
        return response.status, found, response.getheader("Retry-After")


def server_parts(server: str) -> SplitResult:
    """The address in its parts; raises BadAddress."""
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadAddress(
            f"The server {server!r} is no address: give one like https://flow.example or http://192.168.1.5:8000."
        )
    return parts


def connected(parts: SplitResult, ca_file: Path | None) -> http.client.HTTPConnection:
    """A line to the server, opened at its first use."""
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    trust = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=trust)


class BackOff:
    """How long to wait after so many failures: anything up to a bound that doubles, so that a hundred gates that lost
    their server together do not knock at its door together."""

    def __init__(self, first_s: float = 1.0, most_s: float = 120.0, rng: random.Random | None = None) -> None:
        self._first, self._most, self._rng = first_s, most_s, rng or random.Random()
        self.failures = 0

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self, asked_s: float | None = None) -> float:
        """Seconds to wait now; never less than the server asked for."""
        self.failures += 1
        wait: float = min(self._most, self._first * 2 ** min(self.failures - 1, 16)) * self._rng.random()
        return max(wait, asked_s * self._rng.uniform(1.0, 1.2)) if asked_s else wait


class Sender:
    """Moves reports from the outbox to the server, one batch at a time."""

    def __init__(self, outbox: Outbox, uplink: Uplink, clock: DeviceClock, back_off: BackOff | None = None) -> None:
        self._outbox, self._uplink, self._clock = outbox, uplink, clock
        self.back_off = back_off or BackOff()
        self._most = MAX_REPORTS
        self.trouble = ""
        self.refused = 0
        self.status = 0
        """Of the last refusal; 0 when the last exchange was none."""

    def step(self) -> float:
        """Send one batch; seconds to wait before the next, 0 when there may be more, negative when there is none."""
        kept = self._outbox.oldest(self._most)
        if not kept:
            return -1.0
        body, count = pack(secrets.token_hex(8), [each.body for each in kept], self._most)
        sent = kept[:count]
        sent_ms = self._clock.now()
        try:
            answer = self._uplink.send(body)
        except NoAnswer as error:
            self.trouble, self.status = str(error), 0
            return self.back_off.failed()
        if isinstance(answer, Refusal):
            return self._refused(answer, sent)
        self._clock.measure(sent_ms, self._clock.now(), answer.server_ms)
        return self._kept(answer, sent)

    def _kept(self, answer: Answer, sent: Sequence[Kept]) -> float:
        """Delete exactly what the answer names; an answer that names nothing of ours is a failure."""
        ours = {(each.boot, each.seq) for each in sent}
        answered = [(each.boot, each.seq) for each in answer.results if (each.boot, each.seq) in ours]
        self._outbox.delete(answered)
        if not answered:
            self.trouble = "the server answered without naming any of the reports it was sent"
            return self.back_off.failed()
        self.back_off.succeeded()
        self.trouble, self.status, self._most = "", 0, min(MAX_REPORTS, self._most * 2)
        return 0.0

    def _refused(self, refusal: Refusal, sent: Sequence[Kept]) -> float:
        self.trouble, self.status = f"{refusal.status} {refusal.title}: {refusal.remedy}", refusal.status
        if refusal.status not in UNREADABLE:
            return self.back_off.failed(refusal.retry_after_s)
        if len(sent) > 1:
            self._most = max(1, len(sent) // 2)
            return 0.0
        self._outbox.set_aside(sent[0], self.trouble)
        self.refused += 1
        return 0.0
