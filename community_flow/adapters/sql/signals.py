"""Live versions of several processes on one PostgreSQL without Redis: each tells the others by NOTIFY what it changed.

Wake-ups stay in their process: the others look at the queue of marks twice a second anyway.
"""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from community_flow.adapters.memory_traffic import MemorySignals
from community_flow.adapters.sql.store import SqlDatabase

log = structlog.get_logger()

CHANNEL = "flow_changed"
AGAIN_S = 1.0
LISTEN_S = 30.0


class PostgresSignals(MemorySignals):
    """`start` begins to listen; before it (a command) the others are told at once, by the caller's own thread."""

    def __init__(self, db: SqlDatabase) -> None:
        super().__init__()
        self.db = db
        self._me = secrets.token_hex(6)
        self._unsaid: set[str] = set()
        self._something = threading.Event()
        self._lock = threading.Lock()
        self._started = False

    def start(self) -> None:
        self._started = True
        for work in (self._listen, self._tell):
            threading.Thread(target=self._forever, args=(work,), name="signals", daemon=True).start()

    def bump(self, community: str) -> None:
        super().bump(community)
        with self._lock:
            self._unsaid.add(community)
        if self._started:
            self._something.set()
        else:
            self._say()

    def _forever(self, work: Any) -> None:
        while True:
            try:
                work()
            except (SQLAlchemyError, psycopg.Error) as error:
                log.warning("signals away", cause=type(error).__name__)
            time.sleep(AGAIN_S)

    def _tell(self) -> None:
        while True:
            self._something.wait()
            self._something.clear()
            self._say()

    def _say(self) -> None:
        """What could not be said is said again with the next."""
        with self._lock:
            waiting, self._unsaid = self._unsaid, set()
        try:
            with self.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
                for community in sorted(waiting):
                    told = {"channel": CHANNEL, "words": f"{self._me} {community}"}
                    session.execute(text("SELECT pg_notify(:channel, :words)"), told)
        except SQLAlchemyError:
            with self._lock:
                self._unsaid |= waiting
            self._something.set()
            raise

    def _listen(self) -> None:
        with self.db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
            try:
                session.exec_driver_sql(f"LISTEN {CHANNEL}")
                self.restart()  # nobody knows what was said before
                driver: Any = session.connection.driver_connection
                while True:
                    for heard in driver.notifies(timeout=LISTEN_S):
                        who, _, community = heard.payload.partition(" ")
                        if who != self._me:
                            super().bump(community)
                    session.exec_driver_sql("SELECT 1")
            finally:
                session.invalidate()
