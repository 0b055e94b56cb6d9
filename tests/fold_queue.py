"""What waits in the fold's queue, mark by mark."""

from __future__ import annotations

from sqlalchemy import Connection, select

from community_flow.adapters.sql.mark_packs import unpacked
from community_flow.adapters.sql.tables_flow import dirty
from community_flow.domain.marks import Mark


def waiting(tx: Connection) -> list[Mark]:
    """Marks in the order in which they were written, those of the registry left out."""
    found: list[Mark] = []
    for row in tx.execute(select(dirty).where(dirty.c.cause != "journal").order_by(dirty.c.id)):
        alone = [] if row.subject is None else [Mark(row.subject, bytes(row.lo), bytes(row.hi), row.cause)]
        found += alone or unpacked(bytes(row.marks))
    return found
