"""A report as it is kept: labels frozen, nothing derived."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

Hold = Literal["future", "server_clock"]

HOLDS: dict[Hold, str] = {
    "future": "This is dated in the future: release it when its time is right, or dismiss it.",
    "server_clock": "It came while the server's own clock was wrong: it is released once that is put right.",
}


class KeptReport(NamedTuple):
    """One row of `reports`, members in the order of its columns."""

    device: str
    boot: int
    seq: int
    community: str
    kind: str
    t_ms: int
    at_ms: int
    skew_ms: int
    received_ms: int
    gate: str | None
    direction: str | None
    pass_ref: bytes | None
    tag_ref: bytes | None
    person: str | None
    token_s: int | None
    assurance: int
    method: str | None
    decision: str | None
    reason: str | None
    passed: bool
    forced: bool
    operator: str | None
    party: int
    n: int | None
    from_ms: int | None
    body: str | None
    digest: bytes
    held: bool


class TrayItem(NamedTuple):
    """A report that cannot be used as it is, kept for a person to see and mend."""

    community: str
    device: str
    boot: int
    seq: int
    received_ms: int
    reason: str
    detail: str
    text: str
    digest: bytes


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one report."""

    boot: int
    seq: int
    outcome: str
    reason: str | None = None
