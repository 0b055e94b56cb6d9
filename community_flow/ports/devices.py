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
    silence_ms: int | None = None
    rotate: str | None = None

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


@dataclass(frozen=True)
class Request:
    """A box that shows a code until a manager enters it; ``device`` is what it became."""

    version: str
    created_ms: int
    expires_ms: int
    device: str | None
    community: str | None


class RequestStore(Protocol):
    def open(
        self, tx: Transaction, code_hash: bytes, secret_hash: bytes, version: str, now_ms: int, ends_ms: int
    ) -> None:
        """Keep a request, and forget those that ended."""
        ...

    def waiting(self, tx: Transaction, now_ms: int) -> int: ...

    def by_code(self, tx: Transaction, code_hash: bytes) -> Request | None: ...

    def by_secret(self, tx: Transaction, secret_hash: bytes) -> Request | None: ...

    def approve(self, tx: Transaction, code_hash: bytes, device: str, community: str) -> bool:
        """True for exactly one caller."""
        ...


@dataclass(frozen=True)
class ConfigVersion:
    """One version of what a device is told to do. outcome: running, failed, or None until the device has told."""

    device: str
    version: int
    community: str
    document: Mapping[str, Any]
    created_ms: int
    created_by: str
    back_to: int | None = None
    outcome: str | None = None
    reason: str | None = None
    outcome_ms: int | None = None


class ConfigStore(Protocol):
    def add(self, tx: Transaction, row: ConfigVersion) -> bool:
        """False when the device has that version: somebody else was quicker."""
        ...

    def newest(self, tx: Transaction, device: str) -> ConfigVersion | None: ...

    def one(self, tx: Transaction, device: str, version: int) -> ConfigVersion | None: ...

    def history(self, tx: Transaction, device: str, limit: int) -> list[ConfigVersion]:
        """Newest first."""
        ...

    def told(self, tx: Transaction, device: str, version: int, outcome: str, reason: str | None, now_ms: int) -> bool:
        """Note what the device says of a version; False when that is known, or there is no such version."""
        ...

    def all_newest(self, tx: Transaction, scope: Scope) -> dict[str, ConfigVersion]: ...


class DeviceStore(Protocol):
    def add(self, tx: Transaction, device: str, community: str) -> None:
        """The row of tallies; nothing happens when it exists."""
        ...

    def add_token(
        self, tx: Transaction, device: str, community: str, token_hash: bytes, seed: bytes, now_ms: int, account: str
    ) -> None: ...

    def seeds(self, tx: Transaction, now_ms: int) -> dict[str, bytes]:
        """Seed of the newest token that is good at ``now_ms``, of every device that has one; of the oldest while the
        device is to fetch a new one, because that is the one that it certainly has."""
        ...

    def revoke_tokens(self, tx: Transaction, device: str, now_ms: int, *, until_ms: int | None = None) -> None:
        """End every token of the device: at once, or at ``until_ms``."""
        ...

    def revoke_others(self, tx: Transaction, device: str, token_hash: bytes, now_ms: int) -> None:
        """End every token of the device but that one."""
        ...

    def add_claim(self, tx: Transaction, code_hash: bytes, device: str, community: str, expires_ms: int) -> None:
        """A new code; earlier unused ones of the device are gone."""
        ...

    def claim(self, tx: Transaction, code_hash: bytes) -> Claim | None: ...

    def use_claim(self, tx: Transaction, code_hash: bytes, now_ms: int) -> bool:
        """True for exactly one caller."""
        ...

    def statuses(self, tx: Transaction, scope: Scope) -> dict[str, DeviceStatus]: ...

    def last_ms(self, tx: Transaction, device: str) -> int:
        """When it was last heard; 0 for never."""
        ...

    def set_silence(self, tx: Transaction, device: str, silence_ms: int | None) -> None: ...

    def ask_rotation(self, tx: Transaction, device: str, account: str | None) -> None:
        """Note who wants the device to fetch a new token; None when it did."""
        ...

    def rotation(self, tx: Transaction, device: str) -> str | None: ...

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
