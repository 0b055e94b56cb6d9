"""Queries over a list of rows that comes with each call.

A VALUES list would make every call a new text, compiled and planned again: 1.8 ms each, more than the work itself.
SQLite is given the rows in a temporary table of the connection; PostgreSQL reads them from one JSON text, in the round
trip of the query itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    MetaData,
    Select,
    Table,
    Text,
    cast,
    column,
    func,
    literal_column,
    select,
    true,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import JSON

from community_flow.adapters.sql.metadata import Ms, Raw
from community_flow.adapters.sql.prepared import Prepared, Row, value

MEMBERS = (
    ("community", Text), ("name", Text), ("direction", Text), ("ref", Raw), ("lo", Raw), ("hi", Raw),
    ("from_ms", Ms), ("to_ms", Ms), ("number", Ms),
)  # fmt: skip
NAMES = tuple(name for name, _ in MEMBERS)

SQLITE = f"CREATE TEMP TABLE IF NOT EXISTS asked ({', '.join(NAMES)})"
_FILL = f"INSERT INTO asked VALUES ({', '.join('?' * len(NAMES))})"  # noqa: S608 - the names are ours


class Asking:
    """A query that ``build`` makes over the table of what is asked for (its columns: MEMBERS)."""

    def __init__(self, build: Callable[[FromClause], Any]) -> None:
        self._query = Prepared(lambda dialect: build(_asked(dialect)))

    def rows(self, tx: Connection, asked: Iterable[Row], **values: Any) -> list[Any]:
        """All rows of the query, as tuples; when nothing is asked for the store is left alone."""
        wanted = list(asked)
        if not wanted:
            return []
        if tx.dialect.name != "sqlite":
            return self._query.rows(tx, asked=as_json(wanted), **values)
        cursor = tx.connection.cursor()
        cursor.execute("DELETE FROM asked")
        cursor.executemany(_FILL, [[row.get(name) for name in NAMES] for row in wanted])
        return self._query.rows(tx, **values)


def for_each(columns: Sequence[Any], match: Callable[[Any], ColumnElement[bool]]) -> Asking:
    """These columns of a table, of the rows that ``match`` what is asked for (it is given the columns of that)."""
    return Asking(lambda asked: matching(asked, columns, match))


def matching(asked: FromClause, columns: Sequence[Any], match: Callable[[Any], ColumnElement[bool]]) -> Select[Any]:
    """The query of `for_each`, looked up row after row by an index.

    Without statistics, in a store that has just begun to fill, PostgreSQL would rather read the whole table once, and
    keep to that plan while it grows. A lateral query with an OFFSET leaves it no choice.
    """
    found = select(*columns).where(match(asked.c))
    if isinstance(asked, Table):
        return found.select_from(asked)
    each = found.correlate(asked).offset(literal_column("0")).lateral("each")
    return select(*each.c).select_from(asked).join(each, true())


def _asked(dialect: Dialect) -> FromClause:
    if dialect.name == "sqlite":
        # Not ours to migrate: it lives and dies with a connection.
        return Table("asked", MetaData(), *(Column(*each) for each in MEMBERS))
    return recordset("asked", MEMBERS)


def again(asked: FromClause, name: str) -> FromClause:
    """What is asked for once more, by another name."""
    return asked.alias(name) if isinstance(asked, Table) else recordset(name, MEMBERS, "asked")


def recordset(name: str, members: Iterable[tuple[str, Any]], bound: str | None = None) -> FromClause:
    """PostgreSQL: rows out of the JSON text that is bound by this name, or by ``bound``."""
    rows = func.json_to_recordset(cast(value(bound or name, type_=Text), JSON))
    return rows.table_valued(*(column(*each) for each in members)).render_derived(name=name, with_types=True)


def as_json(rows: Sequence[Row]) -> str:
    """JSON has no bytes: they go as PostgreSQL writes them."""
    shown = [{name: f"\\x{each.hex()}" if type(each) is bytes else each for name, each in row.items()} for row in rows]
    return msgspec.json.encode(shown).decode()


def in_passing(column: ColumnElement[str], wanted: str | BindParameter[str]) -> ColumnElement[bool]:
    """Equality that is checked but no index is chosen for: without statistics a planner prefers a whole community's
    primary key to the few rows of a subject."""
    return column.op("||")("") == wanted
