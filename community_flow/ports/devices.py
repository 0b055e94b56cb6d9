"""What the device office needs of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True)
class DeviceStatus:
    """What is known of a device's life; None where it never said."""

    device: str
    last_ms: int
    last_report_ms: int | None
    skew_ms: int | None
    queue: int | None
    version: str | None
    config: int | None
    faults: Sequence[str]
    counters: Mapping[str, int]
    status_ms: int | None
    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    forged: int
    unknown_fields: int
    held: int
    mismatch_ms: int | None
    # online or offline at the MQTT broker, and since when; None for a device that speaks HTTP.
    link: str | None = None
    link_ms: int | None = None
    # Counters of which more (or, below zero, less) was told than arrived, and since when.
    differs: Mapping[str, int] = field(default_factory=dict)
    differs_ms: int | None = None

    @property
    def offline_ms(self) -> int | None:
        """Since when its connection to the broker is gone; None while it is there, or there never was one."""
        return self.link_ms if self.link == "offline" else None


@dataclass(frozen=True)
class Claim:
    """A one-time code that stands for a device until somebody uses it."""

    device: str
    community: str
    expires_ms: int
    used_ms: int | None


class DeviceStore(Protocol):
    def add(self, tx: Transaction, device: str, community: str) -> None:
        """The row of tallies; nothing happens when it exists."""
        ...

    def add_token(
        self, tx: Transaction, device: str, community: str, token_hash: bytes, seed: bytes, now_ms: int, account: str
    ) -> None: ...

    def seeds(self, tx: Transaction, now_ms: int) -> dict[str, bytes]:
        """Seed of the newest token that is good at ``now_ms``, of every device that has one."""
        ...

    def revoke_tokens(self, tx: Transaction, device: str, now_ms: int, *, until_ms: int | None = None) -> None:
        """End every token of the device: at once, or at ``until_ms``."""
        ...

    def add_claim(self, tx: Transaction, code_hash: bytes, device: str, community: str, expires_ms: int) -> None:
        """A new code; earlier unused ones of the device are gone."""
        ...

    def claim(self, tx: Transaction, code_hash: bytes) -> Claim | None: ...

    def use_claim(self, tx: Transaction, code_hash: bytes, now_ms: int) -> bool:
        """True for exactly one caller."""
        ...

    def statuses(self, tx: Transaction, scope: Scope) -> dict[str, DeviceStatus]: ...

    def clear_mismatch(self, tx: Transaction, scope: Scope, device: str) -> None: ...

    def linked(self, tx: Transaction, device: str) -> str | None:
        """What was noted last by `link`."""
        ...

    def link(self, tx: Transaction, device: str, link: str, now_ms: int) -> str | None:
        """Note that the device is now online or offline at the broker; its community when that is new."""
        ...


@dataclass(frozen=True)
class TrayRow:
    """Something that could not be used; ``body`` is sealed for the ingest key, None for a held report."""

    id: int
    community: str
    device: str
    boot: int
    seq: int
    received_ms: int
    reason: str
    detail: str
    body: Mapping[str, Any] | None
    state: str
    settled_ms: int | None
    settled_by: str | None


@dataclass(frozen=True)
class TrayFilter:
    """Which rows; None stands for all."""

    state: str | None = "open"
    reason: str | None = None
    device: str | None = None


@dataclass(frozen=True)
class HeldRow:
    """An open row of a report that is kept and held, with the report's own time."""

    id: int
    community: str
    reason: str
    device: str
    boot: int
    seq: int
    t_ms: int
    received_ms: int


class TrayStore(Protocol):
    def rows(self, tx: Transaction, scope: Scope, chosen: TrayFilter, *, after: int, limit: int) -> list[TrayRow]:
        """Oldest first."""
        ...

    def of_ids(self, tx: Transaction, scope: Scope, ids: Sequence[int]) -> list[TrayRow]: ...

    def lock_open(self, tx: Transaction, scope: Scope, ids: Sequence[int]) -> list[TrayRow]:
        """Those that are open still; nobody else can settle them before this transaction ends."""
        ...

    def settle(self, tx: Transaction, ids: Sequence[int], state: str, now_ms: int, account: str) -> None: ...

    def settle_all(
        self, tx: Transaction, scope: Scope, chosen: TrayFilter, up_to: int, state: str, now_ms: int, account: str,
        most: int,
    ) -> dict[str, int]:  # fmt: skip
        """Settle the oldest ``most`` rows; gives how many by community."""
        ...

    def restate(self, tx: Transaction, rows: Sequence[tuple[int, str, str]]) -> None:
        """(id, reason, detail): what stands in the way now."""
        ...

    def held(self, tx: Transaction, reason: str, received_from_ms: int, after: int, limit: int) -> list[HeldRow]:
        """Open rows of one reason whose report is kept, oldest first, of all communities."""
        ...

    def newest(self, tx: Transaction, scope: Scope) -> int:
        """The id of the newest row; 0 when there is none."""
        ...

    def open_of_device(self, tx: Transaction, device: str, most: int) -> int:
        """How many rows of a device are open, counted up to ``most``."""
        ...

    def count_open(self, tx: Transaction, scope: Scope) -> dict[str, int]:
        """Open rows by reason."""
        ...
