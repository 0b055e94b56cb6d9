"""Who keeps whose pass on their phone, by the office's word: a child's, an elder's, somebody's who is cared for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from community_flow.domain.scope import Scope
from community_flow.ports import Transaction

Relation = Literal["household", "carer"]


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """``person``'s pass is kept by ``keeper`` from ``from_ms`` until ``until_ms``, or until it was ended.

    ``sees``: whether the keeper may also read what is kept about the person.
    """

    keeping: str
    community: str
    person: str
    keeper: str
    relation: Relation
    sees: bool
    from_ms: int
    until_ms: int
    ended_ms: int | None
    bound_by: str

    def holds_at(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms < self.until_ms and self.ended_ms is None


class KeeperStore(Protocol):
    def add(self, tx: Transaction, keeping: Keeping) -> None: ...

    def end(self, tx: Transaction, keeping: str, at_ms: int) -> None: ...

    def one(self, tx: Transaction, scope: Scope, keeping: str) -> Keeping | None: ...

    def about(self, tx: Transaction, scope: Scope, person: str) -> list[Keeping]:
        """Those in which somebody is the person or the keeper, newest first, ended ones included."""
        ...
