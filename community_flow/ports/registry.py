"""What the registry needs of a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from community_flow.domain.journal import Entry, Journal
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True)
class Recorded:
    """A journal row with who wrote it and when."""

    entry: Entry
    recorded_ms: int
    account: str


class JournalStore(Protocol):
    """Append-only rows and their projection as of now."""

    def append(self, tx: Transaction, rows: Sequence[Entry], recorded_ms: int, account: str) -> list[Entry]:
        """Keep rows; gives them back with their numbers."""
        ...

    def of_community(self, tx: Transaction, community: str) -> Journal: ...

    def newest(self, tx: Transaction) -> int:
        """The highest number written: a change means that journals in memory are old."""
        ...

    def project(self, tx: Transaction, entities: Iterable[tuple[str, str, str]], now_ms: int) -> None:
        """Write the state as of now of (community, kind, entity)."""
        ...

    def due(self, tx: Transaction, now_ms: int) -> list[tuple[str, str, str]]:
        """Entities whose next row has come into effect since they were projected."""
        ...

    def current(
        self, tx: Transaction, scope: Scope, kind: str, entity: str | None = None
    ) -> list[tuple[str, str, Any]]:
        """(community, entity, typed state) of that kind as of now, sorted."""
        ...

    def owned(self, tx: Transaction, scope: Scope, kind: str, owners: Sequence[str]) -> list[tuple[str, str, Any]]:
        """Like `current`, of those that belong now to one of ``owners``: passes of persons, persons of households,
        households of units."""
        ...

    def history(self, tx: Transaction, community: str, kind: str, entities: Sequence[str]) -> list[Recorded]:
        """Every row of some entities, in order of effect."""
        ...

    def add_community(self, tx: Transaction, community: str, uid: bytes, now_ms: int) -> None: ...

    def uid(self, tx: Transaction, community: str) -> bytes: ...

    def communities(self, tx: Transaction) -> list[str]: ...


class FoldMarks(Protocol):
    """Where a change of the registry is noted for the fold."""

    def journal_changed(self, tx: Transaction, entries: Sequence[Entry]) -> None: ...
