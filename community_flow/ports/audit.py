"""The audit log as services see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True, kw_only=True)
class Look:
    """One thing that somebody did or saw. ``person`` is whose data it was about: that person can read the row."""

    account: str
    role: str
    action: str
    community: str | None = None
    person: str | None = None
    subject: str | None = None
    purpose: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditRow:
    number: int
    at_ms: int
    account: str
    role: str
    community: str | None
    action: str
    person: str | None
    subject: str | None
    purpose: str | None
    detail: Mapping[str, Any]
    chain: bytes


class AuditLog(Protocol):
    """What every service that shows or changes personal data calls, in the same transaction."""

    def append(self, tx: Transaction, *looks: Look) -> None: ...


class AuditStore(Protocol):
    def last(self, tx: Transaction) -> tuple[int, bytes]:
        """(number, chain) of the newest row, or (0, 32 zero bytes); holds the log's lock until the end of ``tx``."""
        ...

    def add(self, tx: Transaction, rows: Sequence[AuditRow]) -> None: ...

    def rows(self, tx: Transaction, after: int, limit: int) -> list[AuditRow]:
        """Rows with a number above ``after``, oldest first."""
        ...

    def latest(
        self, tx: Transaction, scope: Scope, *, before: int | None, limit: int, person: str | None = None
    ) -> list[AuditRow]:
        """Newest first, within the scope's communities."""
        ...
