"""Reports of people at gates, their order, and whom they speak of. Sources of passages and attempts."""

from __future__ import annotations

from typing import Literal

import msgspec

Direction = Literal["in", "out"]

KEY_BYTES = 38
LEAST_KEY = b""
GREATEST_KEY = b"\xff" * KEY_BYTES

Triple = tuple[str, int, int]
"""(device, boot, seq): the identity of a report."""


def report_key(t_ms: int, device: str, boot: int, seq: int) -> bytes:
    """What reports are ordered by: event time, then the triple, so that ties are settled alike everywhere."""
    return b"%b%b%b%b" % (t_ms.to_bytes(8, "big"), device.encode(), boot.to_bytes(8, "big"), seq.to_bytes(8, "big"))


def key_at(t_ms: int) -> bytes:
    """The least key of a report at ``t_ms``."""
    return max(t_ms, 0).to_bytes(8, "big")


def key_t_ms(key: bytes) -> int:
    """The event time in a key; 0 for the least key."""
    return int.from_bytes(key[:8].ljust(8, b"\0"), "big")


def key_triple(key: bytes) -> Triple:
    return key[8:-16].decode(), int.from_bytes(key[-16:-8], "big"), int.from_bytes(key[-8:], "big")


def triple_id(triple: Triple) -> str:
    device, boot, seq = triple
    return f"{device}:{boot}:{seq}"


def id_triple(identity: str) -> Triple:
    device, boot, seq = identity.split(":")
    return device, int(boot), int(seq)


class Scan(msgspec.Struct, frozen=True, gc=False):
    """What the fold reads of a report of kind ``scan`` or ``visitor``."""

    key: bytes
    t_ms: int
    device: str
    boot: int
    seq: int
    gate: str
    direction: str
    passed: bool
    kind: str = "scan"
    party: int = 1
    method: str | None = None
    assurance: int = 0
    decision: str | None = None
    reason: str | None = None
    forced: bool = False

    @property
    def id(self) -> str:
        return f"{self.device}:{self.boot}:{self.seq}"

    @property
    def triple(self) -> Triple:
        return self.device, self.boot, self.seq


class Passage(msgspec.Struct, frozen=True, gc=False):
    """Somebody went through a gate, once. ``before`` is the subject's state before the first report, encoded."""

    key: bytes
    id: str
    subject: str
    person: str | None
    gate: str
    direction: str
    at_ms: int
    last_ms: int
    kind: str
    method: str | None
    assurance: int
    decision: str | None
    reason: str | None
    forced: bool
    party: int
    unnamed: int
    unseen: bool
    evidence: tuple[Triple, ...]
    before: str


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """Somebody presented something and did not go through."""

    key: bytes
    id: str
    subject: str
    person: str | None
    gate: str
    direction: str
    at_ms: int
    kind: str
    method: str | None
    assurance: int
    decision: str | None
    reason: str | None


def person_of(subject: str) -> str | None:
    """The person behind a subject; None for a credential that nobody holds and for a report alone."""
    return subject if subject.startswith("p_") else None


def has_position(subject: str) -> bool:
    """Whether passages of this subject can be joined into visits: a report alone has no before and no after."""
    return not subject.startswith("r:")


def attempt(scan: Scan, subject: str) -> Attempt:
    return Attempt(
        scan.key,
        scan.id,
        subject,
        person_of(subject),
        scan.gate,
        scan.direction,
        scan.t_ms,
        scan.kind,
        scan.method,
        scan.assurance,
        scan.decision,
        scan.reason,
    )


def passage(evidence: list[Scan], subject: str, before: str, *, unseen: bool) -> Passage:
    """The passage that these reports are evidence of. How it was decided is said by the first of them; the party is
    the largest one reported, because a companion is often added by a second scan."""
    first = evidence[0]
    party = max(scan.party for scan in evidence)
    return Passage(
        first.key,
        first.id,
        subject,
        person_of(subject),
        first.gate,
        first.direction,
        first.t_ms,
        evidence[-1].t_ms,
        first.kind,
        first.method,
        first.assurance,
        first.decision,
        first.reason,
        first.forced,
        party,
        party - 1 if has_position(subject) else party,
        unseen,
        tuple(scan.triple for scan in evidence),
        before,
    )
