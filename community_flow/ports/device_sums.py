"""What comparing a device's counters with what arrived needs of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from community_flow.domain.device_sums import Aggregate, Arrived
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True)
class Told:
    """The counters of one status."""

    seq: int
    t_ms: int
    counters: Mapping[str, int]


@dataclass(frozen=True)
class BootSums:
    """How far one start of a device was compared, and what differs. Up to the status ``base`` all had arrived."""

    device: str
    boot: int
    community: str
    # The highest number that had come when it was looked at.
    highest: int = 0
    base: Told | None = None
    last: Told | None = None
    # Of statuses older than what is kept: nothing can mend it any more.
    carried: Mapping[str, int] = field(default_factory=dict)
    differs: Mapping[str, int] = field(default_factory=dict)
    # When a status first told something else, and since when that is believed.
    first_ms: int | None = None
    since_ms: int | None = None


@dataclass(frozen=True)
class Moved:
    """A start of a device of which more has come since it was compared."""

    sums: BootSums
    highest: int


@dataclass(frozen=True)
class Differs:
    """Since when a device's counters differ from what arrived, and by how much: told minus arrived."""

    since_ms: int
    more: Mapping[str, int]


class DeviceSumsStore(Protocol):
    def moved(self, tx: Transaction, heard_ms: int) -> list[Moved]:
        """Starts of devices heard since ``heard_ms`` of which more has come, or that differ."""
        ...

    def newest_status(self, tx: Transaction, device: str, boot: int, after_seq: int) -> Told | None: ...

    def first(self, tx: Transaction, device: str, boot: int) -> tuple[int, int]:
        """Number and event time of the first report of this start that is still there: old ones are deleted."""
        ...

    def aggregates(self, tx: Transaction, device: str, boot: int) -> list[Aggregate]:
        """Of any start of the device, that stand for counts of this one."""
        ...

    def sums(self, tx: Transaction, device: str, boot: int, span: tuple[int, int]) -> Mapping[str, int]:
        """By counter, of the numbers of the span, both included, without aggregates that stand for others."""
        ...

    def reports(self, tx: Transaction, device: str, boot: int, span: tuple[int, int]) -> Sequence[Arrived]:
        """Numbers of the span, both included, without aggregates that stand for others."""
        ...

    def put(self, tx: Transaction, rows: Sequence[BootSums]) -> None: ...

    def accept(self, tx: Transaction, scope: Scope, device: str) -> None:
        """Somebody has looked: what differs now is no news any more."""
        ...

    def differing(self, tx: Transaction, scope: Scope) -> dict[str, Differs]: ...
