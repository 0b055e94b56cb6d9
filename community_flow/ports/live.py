"""What the live page reads."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True)
class FlowCell:
    """Bodies that went through one gate in one direction during one slot."""

    gate: str
    direction: str
    slot_ms: int
    bodies: int


@dataclass(frozen=True)
class DeviceSeen:
    """When a device was last heard of, and the newest thing it told."""

    device: str
    last_ms: int
    last_report_ms: int | None
    queue: int | None
    faults: Sequence[str]
    skew_ms: int | None = None
    mismatch_ms: int | None = None
    # Since when its connection to the MQTT broker is gone.
    offline_ms: int | None = None
    silence_ms: int | None = None


class ZoneCount(Protocol):
    """People inside one zone as the fold counts them, with the interval it can stand for."""

    @property
    def zone(self) -> str: ...
    @property
    def inside(self) -> int: ...
    @property
    def low(self) -> int: ...
    @property
    def high(self) -> int: ...
    @property
    def stale_devices(self) -> Sequence[str]: ...


class Counting(Protocol):
    """The fold's own count of people inside (services/flow.py)."""

    def occupancy(self, tx: Transaction, scope: Scope, community: str) -> Sequence[ZoneCount]: ...


@dataclass(frozen=True)
class OpenItem:
    """One thing in the inbox that waits for a person."""

    id: str
    tone: str
    title: str
    why: str
    at_ms: int
    href: str


class Inbox(Protocol):
    def open_count(self, scope: Scope, community: str) -> int: ...
    def foremost(self, scope: Scope, community: str, limit: int) -> Sequence[OpenItem]:
        """The most pressing items, worded in the reader's language."""
        ...


class LiveReader(Protocol):
    def flow(self, tx: Transaction, scope: Scope, from_ms: int, to_ms: int, step_ms: int) -> list[FlowCell]:
        """Passages and counted bodies without a passage, by gate, direction and slot."""
        ...

    def visit_changes(
        self, tx: Transaction, scope: Scope, zones: Collection[str], from_ms: int, to_ms: int, step_ms: int
    ) -> dict[int, int]:
        """Visits of the zones begun minus visits ended, by slot."""
        ...

    def unnamed_changes(
        self, tx: Transaction, scope: Scope, gates: Collection[str], from_ms: int, to_ms: int, step_ms: int
    ) -> dict[int, int]:
        """Bodies in minus bodies out for which no visit stands, by slot."""
        ...

    def latest(self, tx: Transaction, scope: Scope, from_ms: int) -> dict[str, int]:
        """When somebody last went through each gate, since ``from_ms``."""
        ...

    def devices(self, tx: Transaction, scope: Scope) -> list[DeviceSeen]: ...

    def any_report(self, tx: Transaction, scope: Scope) -> bool: ...
