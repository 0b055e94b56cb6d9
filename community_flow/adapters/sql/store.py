"""The store: one SQLite file by default, PostgreSQL by a setting. A transaction that returned is on disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Dialect, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from community_flow.adapters.sql import asking
from community_flow.adapters.sql.away import StoreGone, told
from community_flow.adapters.sql.driver import Driver
from community_flow.adapters.sql.heartbeat import Heartbeat
from community_flow.adapters.sql.in_turn import InTurn

Row = dict[str, Any]

CONNECT_S = 5
LOCK_S = 10
"""Nothing here holds a lock for long that others wait for: who holds one for longer hangs, and others must not."""


class SqlDatabase:
    """Hands out transactions. On SQLite writers queue in this process, so nobody waits on a busy file."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = InTurn()
        self.engine = self._sqlite() if self.is_sqlite else self._postgresql(pool_size)
        self._line = threading.Lock()
        self._kept_open: Any = None
        self._at_once: Any = None
        self.heartbeat = None if self.is_sqlite else Heartbeat(self.engine)

    def _sqlite(self) -> Engine:
        if self.url.database and self.url.database != ":memory:":
            Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
        # Ingest has a text for each number of rows up to driver.ROWS: the usual 128 that are kept prepared would push
        # one another out.
        engine = create_engine(
            self.url, hide_parameters=True,
            connect_args={"timeout": 30, "check_same_thread": False, "cached_statements": 512},
        )  # fmt: skip
        event.listen(engine, "connect", _prepare_sqlite)
        return engine

    def _postgresql(self, pool_size: int) -> Engine:
        url = self.url.set(drivername="postgresql+psycopg")
        return create_engine(
            url, hide_parameters=True, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_S, "options": f"-c lock_timeout={LOCK_S}s"},
        )  # fmt: skip

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing is committed. Raises StoreAway when the store does not answer, as `write` does."""
        with self._told(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            except BaseException:
                # A cursor that was left half read keeps its old view alive past the rollback; the next writer on this
                # connection would find the database locked. So the connection is not used again.
                connection.invalidate()
                raise
            connection.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed (on disk) when the block ends, rolled back when it raises."""
        if not self.is_sqlite:
            with self._told(), self.engine.begin() as connection:
                yield connection
            return
        with self._writer, self._told(), self.engine.connect() as connection:
            # IMMEDIATE: two processes (a command beside `serve`) queue here instead of failing half-way.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                connection.invalidate()  # as in `read`
                raise
            connection.commit()

    @contextmanager
    def write_directly(self) -> Iterator[Driver]:
        """`write` on a connection that stays open, without SQLAlchemy: for the one writer whose every microsecond
        shows. A connection that cannot even roll back is not used again."""
        with self._writer if self.is_sqlite else self._line, self._told():
            if self._kept_open is None:
                self._kept_open = self.engine.raw_connection()
            try:
                driver = Driver(self._kept_open.cursor(), self.is_sqlite)
                if self.is_sqlite:
                    driver.cursor.execute("BEGIN IMMEDIATE")
                yield driver
                self._kept_open.driver_connection.commit()
            except BaseException:
                self._drop_open()
                raise

    @contextmanager
    def write_at_once(self) -> Iterator[Driver]:
        """PostgreSQL: a line on which each statement is a transaction of its own, committed when it returns."""
        with self._line, self._told():
            if self._at_once is None:
                self._at_once = self.engine.raw_connection()
                self._at_once.driver_connection.autocommit = True
            try:
                yield Driver(self._at_once.cursor(), self.is_sqlite)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self._at_once, broken = None, self._at_once
                broken.invalidate()
                raise

    def _drop_open(self) -> None:
        connection, self._kept_open = self._kept_open, None
        try:
            # Closing alone does not end the transaction while a cursor lives: the file would stay locked.
            connection.driver_connection.rollback()
        except (sqlite3.Error, psycopg.Error):
            connection.invalidate()
        else:
            connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        with told():
            if self.heartbeat is not None:
                self.heartbeat.check()
            yield

    def crowded(self) -> bool:
        """Whether writers stood in each other's way lately; on PostgreSQL they do not."""
        return self._writer.crowded()

    def ping(self) -> str | None:
        """What is wrong with the store, or None when it answers and has our tables."""
        try:
            with self.read() as tx:
                tx.exec_driver_sql("SELECT 1 FROM journal LIMIT 1")
        except SQLAlchemyError as error:
            return type(error.orig if isinstance(error, StoreGone) else error).__name__
        return None

    def close(self) -> None:
        if self._kept_open is not None:
            self._drop_open()
        if self._at_once is not None:
            self._at_once.invalidate()  # nobody else may get a connection that commits by itself
            self._at_once = None
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # a 200 promises that the report survives a power cut
        "foreign_keys=ON",
        "busy_timeout=30000",
        "temp_store=MEMORY",
        "cache_size=-65536",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute(asking.SQLITE)


def insert_ignore(tx: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Insert what is new; the table's unique keys decide. Returns how many rows were new on SQLite; psycopg does not
    count them and says -1, so nothing may depend on it."""
    return tx.execute(new_rows(tx.dialect, table).on_conflict_do_nothing(), rows).rowcount if rows else 0


def upsert(tx: Connection, table: Table, rows: Sequence[Row], keys: Sequence[str]) -> None:
    """Insert, or replace the given columns of the row with the same ``keys``."""
    if not rows:
        return
    statement = new_rows(tx.dialect, table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    tx.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changed), rows)


def new_rows(dialect: Dialect, table: Table) -> Any:
    """An INSERT of the store's own dialect, which knows ON CONFLICT."""
    store = sqlite if dialect.name == "sqlite" else postgresql
    return store.insert(table)
