"""Noting changes of the registry in the fold's queue."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from community_flow.adapters.sql.tables_flow import dirty
from community_flow.adapters.sql.tables_registry import journal
from community_flow.domain.journal import Entry
from community_flow.domain.marks import FOLDED_JOURNAL_KINDS, journal_subject
from community_flow.domain.passages import GREATEST_KEY, key_at


class SqlFoldMarks:
    def journal_changed(self, tx: Connection, entries: Sequence[Entry]) -> None:
        """One mark per row, from where it begins to hold to where the entity's next row does."""
        rows = [
            {
                "community": entry.community,
                "subject": journal_subject(entry.kind, entry.entity),
                "lo": key_at(entry.valid_from_ms),
                "hi": _end(tx, entry),
                "cause": "journal",
            }
            for entry in entries
            if entry.kind in FOLDED_JOURNAL_KINDS
        ]
        if rows:
            tx.execute(insert(dirty), rows)


def _end(tx: Connection, entry: Entry) -> bytes:
    following = tx.execute(
        select(func.min(journal.c.valid_from_ms)).where(
            journal.c.community == entry.community,
            journal.c.kind == entry.kind,
            journal.c.entity == entry.entity,
            journal.c.valid_from_ms > entry.valid_from_ms,
        )
    ).scalar()
    return GREATEST_KEY if following is None else key_at(following)
