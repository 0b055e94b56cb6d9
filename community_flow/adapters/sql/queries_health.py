"""Whether the store answers, and how much waits in it."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from community_flow.adapters.sql.store import SqlDatabase
from community_flow.adapters.sql.tables_flow import dirty
from community_flow.adapters.sql.tables_ingest import tray


class SqlHealth:
    def __init__(self, db: SqlDatabase) -> None:
        self.db = db

    def trouble(self) -> str | None:
        """None when the store answers, else what is wrong."""
        try:
            with self.db.read() as tx:
                tx.execute(select(1))
        except SQLAlchemyError as error:
            return f"The store does not answer ({type(error).__name__}): devices keep their reports meanwhile."
        return None

    def figures(self) -> dict[str, float]:
        """Gauges; nothing when the store is away."""
        try:
            with self.db.read() as tx:
                waiting = tx.execute(select(func.count()).select_from(dirty)).scalar_one()
                open_ones = tx.execute(select(func.count()).where(tray.c.state == "open")).scalar_one()
        except SQLAlchemyError:
            return {}
        return {"fold_waiting": waiting, "tray_open": open_ones}
