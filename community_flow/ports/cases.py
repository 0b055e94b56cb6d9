"""Orders, cases and what a contact search reads, as services see them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from community_flow.domain.exposures import Visits
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction

Status: TypeAlias = Literal["candidate", "contact", "cleared"]
OpeningState: TypeAlias = Literal["asked", "agreed", "refused"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """A legal act that opens tracing to its authority's officials, in one area, for a time."""

    order_id: str
    number: str
    authority: str
    basis: str
    area: str
    from_ms: int
    until_ms: int
    recorded_by: str
    recorded_ms: int
    ended_ms: int | None = None

    def in_force(self, now_ms: int) -> bool:
        return self.from_ms <= now_ms < self.until_ms and self.ended_ms is None


@dataclass(frozen=True, kw_only=True)
class Case:
    """One index person and the search around them. ``kinds`` are the places that count (see services/tracing.py)."""

    case_id: str
    number: str
    community: str
    order_id: str
    authority: str
    purpose: str
    index_person: str
    from_ms: int
    to_ms: int
    least_min: int
    queue_s: int
    kinds: tuple[str, ...]
    opened_by: str
    opened_ms: int
    source_case: str | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What an official decided about one candidate."""

    case_id: str
    person: str
    status: Status
    decided_by: str
    decided_ms: int
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A request to open the identities of a batch; a second official of the same authority answers it."""

    opening_id: str
    case_id: str
    community: str
    persons: tuple[str, ...]
    reason: str
    asked_by: str
    asked_ms: int
    state: OpeningState = "asked"
    answered_by: str | None = None
    answered_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a community is told at once: an order began or ended, identities were opened."""

    notice_id: str
    community: str
    at_ms: int
    kind: str
    order_id: str
    detail: dict[str, str | int]


@dataclass(frozen=True)
class VisitTable:
    """Visits as columns; ``people[n]`` and ``zones[n]`` are the ids that the numbers n stand for."""

    people: tuple[str, ...]
    zones: tuple[str, ...]
    visits: Visits


@dataclass(frozen=True)
class Stay:
    """One visit of the index person, for the itinerary."""

    zone: str
    entered_ms: int
    left_ms: int | None
    earliest_ms: int
    latest_ms: int | None
    certainty: str


@dataclass(frozen=True)
class Identity:
    person: str
    name: str
    unit: str | None
    phone: str | None


class OrderStore(Protocol):
    def add(self, tx: Transaction, order: Order) -> None: ...
    def end(self, tx: Transaction, order_id: str, now_ms: int) -> None: ...
    def one(self, tx: Transaction, order_id: str) -> Order | None: ...
    def all(self, tx: Transaction) -> list[Order]:
        """Newest first."""
        ...

    def tell(self, tx: Transaction, notices: Sequence[Notice]) -> None: ...
    def notices(self, tx: Transaction, scope: Scope, limit: int) -> list[Notice]:
        """Newest first."""
        ...


class CaseStore(Protocol):
    def add(self, tx: Transaction, case: Case) -> None: ...
    def numbers(self, tx: Transaction, community: str, start: str) -> int:
        """How many cases of a community have a number that starts so."""
        ...

    def one(self, tx: Transaction, scope: Scope, authority: str, case_id: str) -> Case | None: ...
    def of_authority(self, tx: Transaction, scope: Scope, authority: str) -> list[Case]:
        """Newest first."""
        ...

    def decide(self, tx: Transaction, decision: Decision) -> None: ...
    def decisions(self, tx: Transaction, case_id: str) -> dict[str, Decision]: ...
    def ask(self, tx: Transaction, opening: Opening) -> None: ...
    def answer(self, tx: Transaction, opening: Opening) -> bool:
        """False when somebody answered it before."""
        ...

    def openings(self, tx: Transaction, case_id: str) -> list[Opening]:
        """Oldest first."""
        ...


class MovementReader(Protocol):
    """What a contact search reads of the derived tables. Every method stays within the scope."""

    def stays(self, tx: Transaction, scope: Scope, person: str, from_ms: int, to_ms: int) -> list[Stay]:
        """A person's visits that touch a window, oldest first."""
        ...

    def visits(self, tx: Transaction, scope: Scope, zones: Collection[str], from_ms: int, to_ms: int) -> VisitTable:
        """Everybody's visits to some zones that touch a window."""
        ...

    def passed(self, tx: Transaction, scope: Scope, person: str, from_ms: int, to_ms: int) -> list[tuple[str, int]]:
        """(gate, at_ms) of a person's passages, oldest first."""
        ...

    def passages_near(
        self, tx: Transaction, scope: Scope, moments: Sequence[tuple[str, int]], within_ms: int
    ) -> VisitTable:
        """Everybody's passages near any (gate, at_ms) as visits without length; the zone is "<gate>/<direction>"."""
        ...

    def identities(self, tx: Transaction, scope: Scope, persons: Collection[str]) -> dict[str, Identity]: ...

    def named(self, tx: Transaction, scope: Scope, name: str) -> list[Identity]:
        """People with exactly that name."""
        ...
