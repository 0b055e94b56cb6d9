"""The store: one SQLite file by default, PostgreSQL by a setting. A transaction that returned is on disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from community_flow.adapters.sql import asking
from community_flow.adapters.sql.away import StoreGone, told
from community_flow.adapters.sql.heartbeat import Heartbeat
from community_flow.adapters.sql.in_turn import InTurn
from community_flow.adapters.sql.line import Line

Row = dict[str, Any]

CONNECT_S = 5
LOCK_S = 10
"""Nothing here holds a lock for long that others wait for: who holds one for longer hangs, and others must not."""

SESSION = f"-c lock_timeout={LOCK_S}s -c jit=off"
"""What every connection to PostgreSQL is told. It takes our lists of rows to be long, and once a store has grown it
would compile their queries, each time again: 20 ms for what runs in two."""


class SqlDatabase:
    """Hands out transactions. On SQLite writers queue in this process, so nobody waits on a busy file."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = InTurn()
        self.engine = self._sqlite() if self.is_sqlite else self._postgresql(pool_size)
        self._lines: list[Line] = []
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
            connect_args={"connect_timeout": CONNECT_S, "options": SESSION},
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

    def line(self) -> Line:
        """A connection of its own for a writer. On PostgreSQL lines write beside one another; on SQLite they queue with
        everybody else who writes."""
        line = Line(self.engine, self._writer if self.is_sqlite else threading.Lock(), self._told)
        self._lines.append(line)
        return line

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
        for line in self._lines:
            line.close()
        self.engine.dispose()


_AS_IT_IS: dict[type, Callable[[Any], Any]] = {bytes: bytes, memoryview: bytes, bool: int, type(None): {}.get}
# For each value that is no number and no text sqlite3 looks whether somebody wants it turned into something else, and
# longest where nobody does: that is three times as much as binding it, and our keys are bytes.
for _kind, _as_it_is in _AS_IT_IS.items():
    sqlite3.register_adapter(_kind, _as_it_is)


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
