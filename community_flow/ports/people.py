"""People as services see them: names and telephone numbers, which stand outside the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from community_flow.domain.places import Household, Person
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True, kw_only=True)
class PersonRow:
    """What names somebody. Corrected in place, erased on request."""

    community: str
    person: str
    name: str
    initials: str
    phone: str | None
    note: str | None
    created_ms: int
    erased_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A search; every given part must fit. ``text`` is a name or a part of one, initials, the end of a telephone
    number, or the beginning of a unit."""

    text: str = ""
    unit: str | None = None
    buildings: frozenset[str] | None = None
    types: frozenset[str] | None = None
    statuses: frozenset[str] = frozenset({"active"})


@dataclass(frozen=True)
class Found:
    """One person of a search: state as of now, household if any, and what names them if anything is kept."""

    community: str
    person: str
    state: Person
    household: Household | None
    row: PersonRow | None

    @property
    def unit(self) -> str | None:
        return self.household.unit if self.household else None


class PeopleStore(Protocol):
    def add(self, tx: Transaction, rows: Sequence[PersonRow]) -> None: ...

    def save(self, tx: Transaction, rows: Sequence[PersonRow]) -> None: ...

    def find(self, tx: Transaction, scope: Scope, wanted: Wanted) -> list[Found]:
        """Everybody who fits, in no order."""
        ...

    def of_ids(self, tx: Transaction, scope: Scope, persons: Sequence[str]) -> dict[str, Found]:
        """Those people, whatever their status."""
        ...
