"""What retention needs of a store."""

from __future__ import annotations

from typing import Protocol

from community_flow.ports import Transaction


class RetentionStore(Protocol):
    def checkpoint(self, tx: Transaction, community: str, before: bytes, since: bytes) -> int:
        """Keep the last passage before a key, of every subject that has one since another; gives how many."""
        ...

    def delete_reports(self, tx: Transaction, community: str, before_ms: int) -> int:
        """Delete reports of before a moment that no checkpoint needs; gives how many."""
        ...

    def delete_settled(self, tx: Transaction, community: str, before_ms: int, anomalies_before_ms: int) -> int:
        """Delete settled tray rows and old anomalies with their verdicts; gives how many."""
        ...

    def delete_requests(self, tx: Transaction, community: str, before_ms: int) -> int:
        """Delete what residents asked of the office and got answered before a moment; gives how many."""
        ...
