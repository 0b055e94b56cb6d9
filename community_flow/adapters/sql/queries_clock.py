"""The server's own clock as the store and the devices see it."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, func, select

from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_clock import server_clock
from community_flow.adapters.sql.tables_ingest import device_status
from community_flow.domain.server_clock import Reading
from community_flow.ports.server_clock import ClockNote


class SqlClock:
    def note(self, tx: Connection) -> ClockNote | None:
        row = tx.execute(select(server_clock)).first()
        if row is not None:
            return ClockNote(row.believed_ms, row.trouble, row.off_ms, row.since_ms)
        # A store of an earlier version: the newest receipt is the newest moment that was believed.
        newest: int | None = tx.execute(select(func.max(device_status.c.last_ms))).scalar()
        return ClockNote(newest) if newest else None

    def keep(self, tx: Connection, note: ClockNote) -> None:
        upsert(tx, server_clock, [{"id": 1, **asdict(note)}], ("id",))

    def readings(self, tx: Connection, since_ms: int) -> list[Reading]:
        c = device_status.c
        rows = tx.execute(select(c.status_ms, c.skew_ms).where(c.last_ms >= since_ms, c.status_ms.is_not(None)))
        return [Reading(row.status_ms + (row.skew_ms or 0), row.skew_ms or 0) for row in rows]
