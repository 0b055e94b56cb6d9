"""What is kept about one person, as that person may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True)
class KeptRecord:
    """The closed list of fields about a person."""

    name: str
    phone: str | None
    note: str | None
    unit: str | None
    since_ms: int


@dataclass(frozen=True)
class KeptPass:
    kind: str
    status: str
    short_code: str | None
    issued_ms: int


@dataclass(frozen=True)
class KeptVisit:
    community: str
    zone: str
    entered_ms: int
    left_ms: int | None
    certainty: str


@dataclass(frozen=True)
class KeptSpan:
    """How many visits are kept, and since when."""

    visits: int
    oldest_ms: int | None


class KeptReader(Protocol):
    """Every method reads the scope's own person and nobody else."""

    def record(self, tx: Transaction, scope: Scope) -> KeptRecord | None: ...
    def passes(self, tx: Transaction, scope: Scope) -> list[KeptPass]: ...
    def span(self, tx: Transaction, scope: Scope) -> KeptSpan: ...
    def visits(self, tx: Transaction, scope: Scope, limit: int) -> list[KeptVisit]: ...
