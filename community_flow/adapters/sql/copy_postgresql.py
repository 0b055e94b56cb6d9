"""Copies of a PostgreSQL store: COPY of every table in one snapshot, through the driver that is there anyway.

No program of PostgreSQL's is needed, and a copy goes into a server of any version (docs/decisions/0050).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from community_flow.adapters.sql import copy_sqlite
from community_flow.adapters.sql.migrate import state_in, upgrade_in
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.adapters.sql.tables import all_metadata
from community_flow.domain.errors import Conflict
from community_flow.ports import Transaction
from community_flow.ports.backup import Archive, Copied, Opened

BATCH = 2_000
OTHER_STORE = "This is a backup of %(found)s, which cannot go into PostgreSQL."
SPOILT = "The table %(table)s of the backup does not fit (%(why)s): nothing was changed."
NOT_ALL = "The table %(table)s has %(found)s rows after the restore, the backup had %(wanted)s: nothing was changed."


class PostgresqlCopy:
    kind = "postgresql"
    is_file = False

    def __init__(self, db: SqlDatabase) -> None:
        self.db = db

    def copy(self, archive: Archive, work: Path) -> Copied:
        rows: dict[str, int] = {}
        columns: dict[str, list[str]] = {}
        with self.db.engine.execution_options(isolation_level="REPEATABLE READ").connect() as tx:
            tx.exec_driver_sql("SET TRANSACTION READ ONLY")
            revision = state_in(tx).revision
            cursor = _cursor(tx)
            for table in _tables(tx):
                columns[table] = [str(each["name"]) for each in inspect(tx).get_columns(table)]
                with (
                    archive.part(f"store/{table}.copy") as sink,
                    cursor.copy(_copy("TO STDOUT", table, columns[table])) as out,
                ):
                    rows[table] = _put_all(out, sink)
        return Copied(revision or "", rows, columns)

    def filled(self) -> bool:
        with self.db.read() as tx:
            return any(tx.execute(text(f'SELECT 1 FROM "{name}" LIMIT 1')).first() for name in _tables(tx))  # noqa: S608 - names of tables, from the store itself

    def restore(self, opened: Opened, staged: Path, ready: Callable[[Transaction], None]) -> None:
        """All in one transaction, with the tables dropped and made again: until it commits, the old ones stay."""
        with self.db.write() as tx:
            _drop_all(tx)
            if opened.manifest["store"] == "sqlite":
                _move(tx, opened, staged)
            elif opened.manifest["store"] == self.kind:
                _load(tx, opened)
            else:
                raise Conflict(OTHER_STORE, found=opened.manifest["store"])
            upgrade_in(tx)
            ready(tx)


def _load(tx: Connection, opened: Opened) -> None:
    upgrade_in(tx, opened.manifest["revision"])
    cursor = _cursor(tx)
    for table, wanted in opened.manifest["rows"].items():
        try:
            with cursor.copy(_copy("FROM STDIN", table, opened.manifest["columns"][table])) as into:
                for piece in opened.content(f"store/{table}.copy"):
                    into.write(piece)
        except psycopg.Error as error:
            raise Conflict(SPOILT, table=table, why=type(error).__name__) from error
        _count(tx, table, wanted)
    _set_sequences(tx)


def _move(tx: Connection, opened: Opened, staged: Path) -> None:
    """From SQLite: its rows by the types of our own tables, after its copy was brought up to this version."""
    path = staged / copy_sqlite.PART
    with path.open("wb") as file:
        for piece in opened.content(copy_sqlite.PART):
            file.write(piece)
    copy_sqlite.bring_up(path, lambda _: None)
    upgrade_in(tx)
    source = create_engine(f"sqlite:///{path}", hide_parameters=True)
    try:
        for table in all_metadata().sorted_tables:
            _count(tx, table.name, _move_table(source, tx, table))
    finally:
        source.dispose()
        path.unlink()
    _set_sequences(tx)


def _move_table(source: Engine, tx: Connection, table: Any) -> int:
    moved = 0
    with source.connect() as old:
        for rows in old.execution_options(yield_per=BATCH).execute(table.select()).mappings().partitions(BATCH):
            tx.execute(table.insert(), [dict(row) for row in rows])
            moved += len(rows)
    return moved


def _count(tx: Connection, table: str, wanted: int) -> None:
    found = tx.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one()  # noqa: S608 - a name of our own tables
    if found != wanted:
        raise Conflict(NOT_ALL, table=table, found=found, wanted=wanted)


def _drop_all(tx: Connection) -> None:
    known = {*all_metadata().tables, "alembic_version"}
    for name in inspect(tx).get_table_names():
        if name in known:
            tx.exec_driver_sql(f'DROP TABLE "{name}" CASCADE')


def _set_sequences(tx: Connection) -> None:
    """Numbers go on after the greatest that came with the rows."""
    for table in _tables(tx):
        for column in inspect(tx).get_columns(table):
            name = tx.execute(
                text("SELECT pg_get_serial_sequence(quote_ident(:t), :c)"), {"t": table, "c": column["name"]}
            ).scalar()
            if name:
                newest = f'SELECT max("{column["name"]}") FROM "{table}"'  # noqa: S608 - names of our own tables
                tx.execute(text(f"SELECT setval(:name, coalesce(({newest}), 0) + 1, false)"), {"name": name})


def _tables(tx: Connection) -> list[str]:
    known = all_metadata().tables
    return sorted(name for name in inspect(tx).get_table_names() if name in known)


def _copy(way: str, table: str, columns: list[str]) -> sql.Composed:
    names = sql.SQL(", ").join(sql.Identifier(each) for each in columns)
    return sql.SQL("COPY {} ({}) {}").format(sql.Identifier(table), names, sql.SQL(way))


def _put_all(out: Iterable[Any], sink: Any) -> int:
    """The rows of a COPY in text form, in which a line is a row."""
    count = 0
    for piece in out:
        sink.write(bytes(piece))
        count += bytes(piece).count(b"\n")
    return count


def _cursor(tx: Connection) -> psycopg.Cursor[Any]:
    connection: Any = tx.connection.driver_connection
    found: psycopg.Cursor[Any] = connection.cursor()
    return found
