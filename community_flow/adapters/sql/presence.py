"""Who works on a PostgreSQL store. Servers and workers share a lock; a restore or a migration needs it alone.

On SQLite the lock of the data folder says the same (`commands/server.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from community_flow.adapters.sql.store import SqlDatabase
from community_flow.domain.errors import Conflict

log = structlog.get_logger()

LOCK = 0x636F6D6D666C6F77
"""The letters `commflow`: a number that nobody else in the same database uses."""
LOOK_EVERY_S = 1.0
PATIENCE_S = 5.0
"""Two servers that start together migrate one after the other."""

BUSY = "%(what)s needs the store alone, and %(who)s works on it: stop it."

WHO = text(
    "SELECT DISTINCT coalesce(nullif(a.application_name, ''), 'a client') || ' (process ' || a.pid || ' from '"
    " || coalesce(host(a.client_addr), 'this machine') || ')' FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database"
    " WHERE datname = current_database()) AND ((l.classid::bigint << 32) | l.objid::bigint) = :lock"
    " AND l.objsubid = 1 AND a.pid <> pg_backend_pid()"
)


class Presence:
    """Holds the shared lock for as long as this process lives, through restarts of the server too."""

    def __init__(self, db: SqlDatabase) -> None:
        self.db = db

    def start(self) -> None:
        if not self.db.is_sqlite:
            threading.Thread(target=self._run, name="presence", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                with _session(self.db) as session:
                    self._hold(session)
            except SQLAlchemyError as error:
                log.warning("presence lost", cause=type(error).__name__)
            time.sleep(LOOK_EVERY_S)

    def _hold(self, session: Connection) -> None:
        session.execute(text("SELECT pg_advisory_lock_shared(:lock)"), {"lock": LOCK})
        while True:
            time.sleep(LOOK_EVERY_S)
            session.execute(text("SELECT 1"))


@contextmanager
def alone(db: SqlDatabase, what: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Nobody else works on this store while the block runs; raises Conflict naming who does."""
    if db.is_sqlite:
        yield
        return
    with _session(db) as session:
        end = time.monotonic() + patience_s
        while not session.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar():
            if time.monotonic() > end:
                who = ", ".join(sorted(session.execute(WHO, {"lock": LOCK}).scalars())) or "another process"
                raise Conflict(BUSY, what=what, who=who)
            time.sleep(0.1)
        try:
            yield
        finally:
            session.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})


@contextmanager
def _session(db: SqlDatabase) -> Iterator[Connection]:
    """A connection that is in no transaction while it waits."""
    with db.engine.connect() as connection:
        try:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")
        finally:
            connection.invalidate()  # the lock ends with the session, never with a later user of this connection
