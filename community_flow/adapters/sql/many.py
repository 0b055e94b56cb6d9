"""Rows of a table added or removed many at a time.

SQLite runs a statement for each row within the driver. On PostgreSQL that would be a message a row: there many rows are
copied, some go as one JSON text (five times cheaper for a client than an array a column) in one statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, FromClause, Table, and_, delete, insert, select

from community_flow.adapters.sql.asking import as_json, recordset
from community_flow.adapters.sql.driver import Driver
from community_flow.adapters.sql.metadata import Json, json_text
from community_flow.adapters.sql.prepared import Prepared, Row, prepared, value

FEW = 4
"""So many rows, one by one, are as cheap as the text."""
MANY = 64
"""From here on COPY costs the server half of what it takes to read the text."""


class Adding:
    """Insert rows that have a value for every column."""

    def __init__(self, table: Table) -> None:
        self.table, self._columns = table, tuple(table.c.keys())
        self._one = prepared(insert(table).values({each.name: value(each.name, type_=each.type) for each in table.c}))
        self._all = Prepared(lambda _: insert(table).from_select(list(self._columns), select(*_given(table).c)))
        self._json = [each.name for each in table.c if isinstance(each.type, Json)]
        names, marks = ", ".join(self._columns), ", ".join("?" * len(self._columns))
        self._text = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 - names of ours

    def many(self, tx: Connection, rows: Sequence[Row]) -> None:
        if len(rows) < FEW:
            self._one.many(tx, rows)
        elif tx.dialect.name == "sqlite":
            Driver.of(tx).many(self._text, self._in_order(rows))
        elif len(rows) < MANY:
            self._all.run(tx, given=as_json([self._with_texts(row) for row in rows]))
        else:
            copied(tx, self.table.name, self._columns, self._in_order(rows))

    def _in_order(self, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        return list(map(itemgetter(*self._columns), map(self._with_texts, rows)))

    def _with_texts(self, row: Row) -> Row:
        """A column of JSON holds it as text."""
        return {**row, **{name: json_text(row[name]) for name in self._json}} if self._json else row


class Removing:
    """Delete rows by the columns that name them."""

    def __init__(self, table: Table, *names: str) -> None:
        self._one = prepared(delete(table).where(*(table.c[name] == value(name) for name in names)))
        self._all = Prepared(lambda _: _delete_given(table, names))

    def many(self, tx: Connection, rows: Sequence[Row]) -> None:
        if tx.dialect.name == "sqlite" or len(rows) < FEW:
            self._one.many(tx, rows)
        else:
            self._all.run(tx, given=as_json(rows))


def copied(tx: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """PostgreSQL: put rows into a table by COPY."""
    cursor: Any = tx.connection.cursor()
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:  # names of ours
        for row in rows:
            copy.write_row(row)


def _delete_given(table: Table, names: Sequence[str]) -> object:
    given = _given(table, *names)
    return delete(table).where(and_(*(table.c[name] == given.c[name] for name in names)))


def _given(table: Table, *names: str) -> FromClause:
    return recordset("given", [(name, table.c[name].type) for name in names or table.c.keys()])
