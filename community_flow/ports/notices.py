"""What the outbox of notices needs of the outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from community_flow.domain.notices import Notice
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction


@dataclass(frozen=True)
class Message:
    """One call of the sink: ``count`` notices of one kind in one community, bundled."""

    id: str
    kind: str
    community: str | None
    gate: str | None
    count: int
    from_ms: int
    to_ms: int
    path: str
    created_ms: int
    tries: int = 0
    sent_ms: int | None = None
    given_up_ms: int | None = None
    error: str | None = None


class NoticeStore(Protocol):
    def put(self, tx: Transaction, notices: Sequence[Notice], now_ms: int) -> int:
        """Write down those of which no key is known; gives how many were new."""
        ...

    def bundle(self, tx: Transaction, now_ms: int, fresh_from_ms: int, last_before_ms: int) -> list[Message]:
        """Make messages of what waits: one for each kind and community that had none after ``last_before_ms``. What
        happened before ``fresh_from_ms`` is set aside."""
        ...

    def lease(self, tx: Transaction, now_ms: int, until_ms: int, limit: int) -> list[Message]:
        """Messages that are due, taken for one attempt; others see them again at ``until_ms``."""
        ...

    def sent(self, tx: Transaction, message: str, now_ms: int) -> None: ...

    def failed(self, tx: Transaction, message: str, error: str, next_ms: int, given_up_ms: int | None) -> None: ...

    def recent(self, tx: Transaction, scope: Scope, from_ms: int, limit: int) -> list[tuple[Notice, Message | None]]:
        """Newest first; those of the whole installation too."""
        ...

    def tally(self, tx: Transaction) -> dict[str, int]:
        """How many messages wait, and how many were given up."""
        ...

    def delete_before(self, tx: Transaction, before_ms: int) -> None: ...


class Sink(Protocol):
    def send(self, message: str, body: bytes, now_ms: int) -> str | None:
        """Deliver; None when it was taken, else what went wrong. ``message`` is the same at each attempt."""
        ...


@dataclass(frozen=True)
class SilentDevice:
    device: str
    community: str
    gate: str | None
    last_ms: int
