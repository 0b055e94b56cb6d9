"""What a rebuild and its check need of a store: whole communities read as streams, derived tables filled in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from community_flow.domain.passages import Triple
from community_flow.ports import Transaction

Row: TypeAlias = tuple[Any, ...]

TABLES = (
    "voids", "censuses", "replacements", "passages", "attempts", "visits", "conflicts", "ledger", "ledger_states",
    "flow_hours",
)  # fmt: skip
"""Everything derived. Rows have the columns of the table in its order, without the community; JSON is text, truth 0 or
1, so that what is derived and what is kept can be compared."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What retention left of a subject: the first key that is kept, and the state before it where that is known."""

    key: bytes
    before: str | None


class FoldBulk(Protocol):
    def hold(self, tx: Transaction, community: str) -> None:
        """Wait until nobody else folds the community; until the transaction ends nobody will."""
        ...

    def freeze(self, tx: Transaction) -> None:
        """From here on the transaction sees the store as it is now. To be called before anything else is read."""
        ...

    def frozen(self, tx: Transaction) -> AbstractContextManager[Transaction]:
        """A transaction that sees the store as it is now, beside (or as) one that holds the community; not kept."""
        ...

    def corrected(self, tx: Transaction, community: str) -> Iterator[Triple]:
        """What corrections name; a report held back corrects nothing."""
        ...

    def scans(self, tx: Transaction, community: str) -> Iterator[Sequence[Row]]:
        """Live scans and visitors as rows of `bulk_columns.SCAN_ROW`, a few thousand at a time, in no order."""
        ...

    def counts(self, tx: Transaction, community: str) -> Iterator[Sequence[Row]]:
        """Live counts as rows of `bulk_ledger.COUNT_ROW`, likewise."""
        ...

    def censuses(self, tx: Transaction, community: str) -> Iterator[Row]:
        """Live censuses as rows of the table."""
        ...

    def anchors(self, tx: Transaction, community: str) -> dict[str, Anchor]: ...

    def outings(self, tx: Transaction, community: str) -> Iterator[Row]:
        """(key, at_ms, id, gate, subject) of passages outward that are kept, in key order."""
        ...

    def empty(self, tx: Transaction, community: str) -> None:
        """Empty everything derived, and the queue."""
        ...

    def fill(self, tx: Transaction, community: str, table: str, rows: Iterable[Row]) -> None: ...

    def index(self, tx: Transaction) -> None:
        """Called when passages, attempts, visits and conflicts are filled: what `empty` took away comes back."""
        ...

    def kept(self, tx: Transaction, community: str, table: str) -> Iterator[Row]:
        """Rows of a table, in no order."""
        ...
