"""Statements on the driver's own cursor, for the few places where SQLAlchemy's share of a statement shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, count, islice
from typing import Any, TypeAlias, TypeVar

import msgspec
from sqlalchemy import Connection, LargeBinary
from sqlalchemy.sql.sqltypes import Boolean, Integer, SmallInteger

from community_flow.adapters.sql.metadata import Ms

T = TypeVar("T")
Row: TypeAlias = Sequence[Any]
Rows: TypeAlias = Sequence[Row]
Columns: TypeAlias = tuple[tuple[str, str], ...]
"""Names, and PostgreSQL's names of their types."""

ROWS = 32
"""Rows in one statement on SQLite: each statement has a cost of its own, not least that other threads get the
interpreter meanwhile and must give it back; a text much longer gains nothing more."""


class Driver:
    """A cursor of the driver's, within a transaction that somebody else ends; placeholders are written ``?``."""

    def __init__(self, cursor: Any, is_sqlite: bool) -> None:
        self.cursor, self.is_sqlite = cursor, is_sqlite
        self._spelled: Callable[[str], str] = _as_it_is if is_sqlite else _for_psycopg

    @classmethod
    def of(cls, tx: Connection) -> Driver:
        """The driver under a transaction of SQLAlchemy's."""
        return cls(tx.connection.cursor(), tx.dialect.name == "sqlite")

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """All rows of a query."""
        self.cursor.execute(self._spelled(sql), values)
        return list(self.cursor.fetchall())

    def run(self, sql: str, *values: Any) -> int:
        """How many rows the statement changed."""
        self.cursor.execute(self._spelled(sql), values)
        return int(self.cursor.rowcount)

    def many(self, sql: str, rows: Rows) -> None:
        """The same statement for each row."""
        if len(rows) == 1:
            self.cursor.execute(self._spelled(sql), rows[0])
        elif rows:
            self.cursor.executemany(self._spelled(sql), rows)

    def bulk(self, table: str, columns: Mapping[str, str], rows: Rows) -> int:
        """Insert what is new; gives how many rows were. A column that is written ``name=literal`` is the same in every
        row and has no value in them."""
        if not rows:
            return 0
        given = tuple(columns.items())
        if not self.is_sqlite:
            bound = {name: kind for name, kind in given if "=" not in name}
            return self.together(insert_chosen(table, given), bound, rows)
        return self._insert(table, given, (), (), rows)

    def bulk_alike(self, table: str, columns: Mapping[str, str], alike: Row, names: Sequence[str], rows: Rows) -> int:
        """`bulk` on SQLite for rows that have the values ``alike`` of the columns ``names`` in common and only the
        others of their own: what is bound once for all of them costs nothing more."""
        return self._insert(table, tuple(columns.items()), alike, tuple(names), rows)

    def _insert(self, table: str, given: Columns, alike: Row, names: tuple[str, ...], rows: Rows) -> int:
        changed = 0
        for part in batched(rows, ROWS):
            self.cursor.execute(_values(table, given, names, len(part)), [*alike, *chain.from_iterable(part)])
            changed += self.cursor.rowcount
        return changed

    def together(self, sql: str, columns: Mapping[str, str], rows: Rows) -> int:
        """One statement over ``rows``, which it reads as the table ``u``; gives how many rows it changed.

        To PostgreSQL they travel as one JSON text: for a client that is five times cheaper than an array a column, and
        the server takes as long for the one as for the other. SQLite takes them as they are, ROWS at a time.
        """
        return sum(self.cursor.rowcount for _ in self._over(sql, columns, rows))

    def returned(self, sql: str, columns: Mapping[str, str], rows: Rows) -> list[Any]:
        """The same; gives what the statement returns."""
        return [row for _ in self._over(sql, columns, rows) for row in self.cursor.fetchall()]

    def _over(self, sql: str, columns: Mapping[str, str], rows: Rows) -> Iterator[None]:
        if not self.is_sqlite:
            encoded = msgspec.json.encode([dict(zip(columns, row, strict=True)) for row in rows]).decode()
            self.cursor.execute(sql.replace("{u}", recordset(tuple(columns.items()))), (encoded,))
            yield
            return
        for part in batched(rows, ROWS):
            text = sql.replace("{u}", _bound_rows(tuple(columns), len(part)))
            self.cursor.execute(text, list(chain.from_iterable(part)))
            yield


def batched(values: Sequence[T], size: int) -> Iterator[list[T]]:
    """Pieces of at most ``size``."""
    left = iter(values)
    while piece := list(islice(left, size)):
        yield piece


def kind_of(type_: Any) -> str:
    """PostgreSQL's name of a column's type."""
    if isinstance(type_, LargeBinary):
        return "bytea"
    if isinstance(type_, Boolean):
        return "boolean"
    if isinstance(type_, SmallInteger):
        return "smallint"
    if isinstance(type_, Ms):
        return "bigint"
    return "integer" if isinstance(type_, Integer) else "text"


def _as_it_is(sql: str) -> str:
    return sql


@lru_cache(maxsize=256)
def _for_psycopg(sql: str) -> str:
    return sql.replace("?", "%s")


@lru_cache(maxsize=256)
def _values(table: str, given: Columns, alike: tuple[str, ...], rows: int) -> str:
    names = ", ".join(name.partition("=")[0] for name, _ in given)
    common = {name: f"?{place}" for place, name in enumerate(alike, 1)}
    own = (f"?{place}" for place in count(len(alike) + 1))
    row = [name.partition("=")[2] or common.get(name) for name, _ in given]
    shown = ("(" + ", ".join(each or next(own) for each in row) + ")" for _ in range(rows))
    # Table and columns are names of ours; whatever comes from outside is bound.
    return f"INSERT INTO {table} ({names}) VALUES {', '.join(shown)} ON CONFLICT DO NOTHING"  # noqa: S608


@lru_cache(maxsize=256)
def _bound_rows(names: tuple[str, ...], count: int) -> str:
    """SQLite: bound rows as the table ``u``."""
    row = "(" + ", ".join("?" * len(names)) + ")"
    shown = ", ".join(f"column{place} AS {name}" for place, name in enumerate(names, 1))
    return f"(SELECT {shown} FROM (VALUES {', '.join([row] * count)})) AS u"  # noqa: S608


@lru_cache(maxsize=256)
def insert_chosen(table: str, given: Columns) -> str:
    """PostgreSQL: the INSERT of `bulk`, from ``{u}``."""
    names = ", ".join(name.partition("=")[0] for name, _ in given)
    values = ", ".join(name.partition("=")[2] or f"u.{name}" for name, _ in given)
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {{u}} ON CONFLICT DO NOTHING"  # noqa: S608


@lru_cache(maxsize=256)
def recordset(columns: Columns) -> str:
    """PostgreSQL: rows of one JSON text as the table ``u``."""
    names = ", ".join(f"{name} {'text' if kind == 'bytea' else kind}" for name, kind in columns)
    if not any(kind == "bytea" for _, kind in columns):
        return f"json_to_recordset(%s) AS u({names})"
    # JSON has no bytes: they come in base64.
    shown = ", ".join(f"decode(j.{name}, 'base64') AS {name}" if kind == "bytea" else name for name, kind in columns)
    return f"(SELECT {shown} FROM json_to_recordset(%s) AS j({names})) AS u"  # noqa: S608
