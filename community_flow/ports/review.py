"""What the review of anomalies needs of a store and of a ranking method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from community_flow.domain.anomalies import Anomaly, Contradiction, Passed, Stay, Surplus
from community_flow.domain.passages import Triple
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True)
class Verdict:
    anomaly: str
    community: str
    kind: str
    subject: str
    verdict: str
    note: str | None
    account: str
    at_ms: int
    evidence: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Card:
    """An anomaly as it stands, with the last verdict on it."""

    anomaly: Anomaly
    state: str
    found_ms: int
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Evidence:
    """A single contradiction or surplus body: shown beside anomalies, never an alert by itself."""

    id: str
    kind: str
    community: str
    subject: str
    person: str | None
    gate: str | None
    at_ms: int
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    ranked_to_ms: int
    history_days: int


class Ranker(Protocol):
    """Orders rows of surprises by how unusual they are."""

    def rank(self, rows: NDArray[np.float64]) -> NDArray[np.float64]: ...


class ReviewStore(Protocol):
    def passed(self, tx: Transaction, community: str, from_ms: int, persons: Sequence[str] | None) -> list[Passed]:
        """Passages from ``from_ms`` on, by time; of these persons only, when given."""
        ...

    def contradictions(self, tx: Transaction, community: str, from_ms: int) -> list[Contradiction]: ...

    def stays(self, tx: Transaction, community: str, until: Mapping[str, int], zones: Sequence[str]) -> list[Stay]:
        """Visits of these persons to these zones; ``until``: when each person's pass ends."""
        ...

    def surplus(self, tx: Transaction, community: str, from_ms: int) -> list[Surplus]:
        """Every hour since ``from_ms`` in which anybody was counted."""
        ...

    def named(self, tx: Transaction, community: str, hour: Surplus) -> list[Triple]:
        """The counts of an hour that found no passage: the first few hundred, a camera at a gate without scanners has
        thousands."""
        ...

    def evidence(self, tx: Transaction, scope: Scope, from_ms: int, limit: int) -> list[Evidence]: ...

    def replace(
        self, tx: Transaction, community: str, kinds: Sequence[str], from_ms: int, found: Sequence[Anomaly], now_ms: int
    ) -> int:
        """Make ``found`` the anomalies of these kinds that end at or after ``from_ms``; gives how many are new.

        Those with human work that are no longer derived become withdrawn, the others go.
        """
        ...

    def cards(
        self, tx: Transaction, scope: Scope, states: Sequence[str], limit: int, before: tuple[int, str] | None
    ) -> list[Card]:
        """Newest first."""
        ...

    def card(self, tx: Transaction, scope: Scope, anomaly: str) -> Card | None: ...

    def open_count(self, tx: Transaction, scope: Scope) -> int: ...

    def decide(self, tx: Transaction, verdict: Verdict, state: str) -> None: ...

    def progress(self, tx: Transaction, community: str) -> Progress | None: ...

    def set_progress(self, tx: Transaction, community: str, progress: Progress) -> None: ...
