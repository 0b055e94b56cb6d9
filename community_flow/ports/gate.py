"""What the gate needs of the outside."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from community_flow.domain.scope import Scope
from community_flow.ports import Transaction
from community_flow.ports.ingest import Trusted


@dataclass(frozen=True, kw_only=True)
class GuardPin:
    """A guard's number on the gate and the hash of the PIN that says it is them."""

    account: str
    operator: str
    pin_hash: str
    changed_ms: int


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A guard who gave the PIN on a device."""

    session_hash: bytes
    account: str
    operator: str
    device: str
    community: str
    begun_ms: int
    seen_ms: int


@dataclass(frozen=True, kw_only=True)
class Emergency:
    """Everyone passes at a gate: begun and ended by a guard's number, with how many were counted without a pass."""

    id: str
    community: str
    gate: str
    device: str
    begun_ms: int
    begun_by: str
    ended_ms: int | None = None
    ended_by: str | None = None
    counted: int = 0


@dataclass(frozen=True)
class Open:
    """An emergency that nobody has ended."""

    id: str
    begun_ms: int
    begun_by: str


class EmergencyStore(Protocol):
    def one(self, tx: Transaction, emergency: str) -> Emergency | None: ...
    def save(self, tx: Transaction, emergency: Emergency) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Tick:
    """That somebody on a roll call was found, or was ticked by mistake; the latest tap holds."""

    key: str
    found: bool
    at_ms: int
    operator: str


class RollStore(Protocol):
    def keep(self, tx: Transaction, community: str, zone: str, ticks: Sequence[Tick]) -> None:
        """Each tick that is later than the one known of its key."""
        ...

    def since(self, tx: Transaction, community: str, zone: str, since_ms: int) -> list[Tick]: ...
    def forget(self, tx: Transaction, community: str, before_ms: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class GuestAsk:
    """A guest at a gate of whom the household is asked on its phones."""

    id: str
    community: str
    gate: str
    device: str
    household: str
    unit: str
    party: int
    asked_ms: int
    operator: str
    answer: str | None = None
    person: str | None = None
    answered_ms: int | None = None


class GuestAskStore(Protocol):
    def add(self, tx: Transaction, ask: GuestAsk) -> None: ...
    def one(self, tx: Transaction, community: str, ask: str) -> GuestAsk | None: ...
    def open(self, tx: Transaction, community: str, household: str, since_ms: int) -> list[GuestAsk]:
        """What nobody of the household has answered, the oldest first."""
        ...

    def answer(self, tx: Transaction, ask: GuestAsk, answer: str, person: str, now_ms: int) -> bool:
        """Whether this is the first answer: the first one holds."""
        ...

    def forget(self, tx: Transaction, community: str, before_ms: int) -> None: ...


class GateReader(Protocol):
    def emergency(self, tx: Transaction, community: str, gate: str) -> Open | None:
        """The newest emergency of a gate that has not ended."""
        ...

    def inside(self, tx: Transaction, scope: Scope, zone: str, now_ms: int) -> frozenset[str]:
        """Persons with an open visit of the zone."""
        ...

    def zone_counts(self, tx: Transaction, scope: Scope, now_ms: int) -> dict[str, int]:
        """Zone → visits open now."""
        ...

    def outings(
        self, tx: Transaction, scope: Scope, persons: Collection[str], gates: Collection[str], since_ms: int
    ) -> dict[str, int]:
        """Person → passages outward through ``gates`` since a moment."""
        ...

    def changed_since(
        self, tx: Transaction, community: str, number: int, since_ms: int, now_ms: int
    ) -> set[tuple[str, str]]:
        """(kind, entity) of journal rows written after ``number`` or come into effect in (since_ms, now_ms]."""
        ...

    def passes_changed_since(self, tx: Transaction, community: str, since_ms: int) -> set[str]: ...

    def codes_shown(self, tx: Transaction, scope: Scope, since_ms: int) -> list[tuple[bytes, int, int, str]]:
        """(pass_ref, token_s, event time, gate) of rotating codes that somebody passed with."""
        ...

    def add_reference(
        self, tx: Transaction, ref_hash: bytes, trusted: Trusted, person: str, account: str, gate: str, now_ms: int
    ) -> None:
        """A one-time reference to somebody: good for one scan at one gate on one device, 60 seconds."""
        ...

    def referred(self, tx: Transaction, ref_hash: bytes, device: str, since_ms: int) -> str | None:
        """The person behind a reference that this device got since a moment."""
        ...


class GuardStore(Protocol):
    def pin_of(self, tx: Transaction, operator: str) -> GuardPin | None: ...
    def pin_of_account(self, tx: Transaction, account: str) -> GuardPin | None: ...
    def numbers(self, tx: Transaction) -> int: ...
    def save_pin(self, tx: Transaction, pin: GuardPin) -> None: ...
    def begin(self, tx: Transaction, shift: Shift) -> None: ...
    def shift(self, tx: Transaction, session_hash: bytes) -> Shift | None: ...
    def seen(self, tx: Transaction, session_hash: bytes, now_ms: int) -> None: ...
    def end(self, tx: Transaction, session_hash: bytes) -> None: ...
