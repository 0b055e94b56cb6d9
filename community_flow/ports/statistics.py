"""Hourly counts as the statistics service sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from community_flow.domain.footfall import HourCount, PlaceKind, Stays
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True)
class Due:
    """From which hour on counts are out of date, and when they were last made (0: the fold touched them since)."""

    from_ms: int
    counted_ms: int


class FootfallStore(Protocol):
    def due(self, tx: Transaction, community: str) -> Due | None:
        """Holds the community's row until the end of ``tx``; None when nothing was ever counted."""
        ...

    def set_due(self, tx: Transaction, community: str, due: Due) -> None: ...

    def first_ms(self, tx: Transaction, community: str) -> int | None:
        """The oldest passage or count that is still kept."""
        ...

    def gate_hours(self, tx: Transaction, community: str, from_ms: int, to_ms: int) -> list[HourCount]:
        """Hours of gates from what the fold derived."""
        ...

    def stays(self, tx: Transaction, community: str, from_ms: int, to_ms: int) -> Mapping[str, Stays]:
        """Visits by zone that touch a window, of persons and of credentials that nobody holds."""
        ...

    def replace(self, tx: Transaction, community: str, from_ms: int, rows: Sequence[HourCount]) -> None:
        """Put ``rows`` in place of everything from an hour on."""
        ...

    def add(self, tx: Transaction, rows: Sequence[HourCount]) -> None:
        """Keep hours from elsewhere; an hour that is there is replaced."""
        ...

    def rows(self, tx: Transaction, scope: Scope, kind: PlaceKind, from_ms: int, to_ms: int) -> list[HourCount]:
        """Hours in [from_ms, to_ms) of the scope's communities, oldest first."""
        ...
