"""What residents ask of the office about their data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from community_flow.domain.scope import Scope
from community_flow.ports import Transaction

Kind = Literal["correction", "deletion", "objection", "copy"]
State = Literal["open", "done", "refused"]


@dataclass(frozen=True, kw_only=True)
class DataRequest:
    """``text`` is the resident's, ``answer`` the office's."""

    request: str
    community: str
    person: str
    kind: Kind
    text: str
    sent_ms: int
    state: State = "open"
    answer: str | None = None
    settled_ms: int | None = None
    settled_by: str | None = None


class RequestStore(Protocol):
    def add(self, tx: Transaction, request: DataRequest) -> None: ...

    def settle(self, tx: Transaction, request: DataRequest) -> bool:
        """Keep state, answer, when and by whom; False when somebody else settled it before."""
        ...

    def rows(
        self, tx: Transaction, scope: Scope, *, states: Sequence[State], person: str | None = None, limit: int = 200
    ) -> list[DataRequest]:
        """Oldest first."""
        ...

    def one(self, tx: Transaction, scope: Scope, request: str) -> DataRequest | None: ...
