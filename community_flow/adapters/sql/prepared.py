"""Statements of Core that are built and compiled once, and run on the driver's own cursor.

Building, keying and wrapping a statement costs SQLAlchemy ten times what SQLite needs to run it. The fold runs some
forty of them for every handful of reports, so there that share is what counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Dialect, LargeBinary, bindparam
from sqlalchemy.sql.compiler import SQLCompiler

Row = Mapping[str, Any]
Change = Callable[[Any], Any]

value = partial(bindparam, required=False)
"""A value that comes with each call, by name."""


class Prepared:
    """One statement, the same for every call but for its values. It runs in a transaction that somebody else ends."""

    def __init__(self, build: Callable[[Dialect], Any]) -> None:
        """``build`` is given the dialect, for what the stores say differently."""
        self._build = build
        self._by_store: dict[str, _Compiled] = {}

    def rows(self, tx: Connection, **values: Any) -> list[Any]:
        """All rows, as tuples."""
        compiled, cursor = self._for(tx), tx.connection.cursor()
        cursor.execute(compiled.text, compiled.values(values))
        return compiled.read(list(cursor.fetchall()))

    def scalar(self, tx: Connection, **values: Any) -> Any:
        """The first column of the first row; None when there is none."""
        found = self.rows(tx, **values)
        return found[0][0] if found else None

    def run(self, tx: Connection, **values: Any) -> None:
        """For a statement that gives no rows."""
        self.many(tx, [values])

    def many(self, tx: Connection, rows: Sequence[Row]) -> None:
        """The statement once for each row of values."""
        if not rows:
            return
        compiled, cursor = self._for(tx), tx.connection.cursor()
        if len(rows) == 1:
            cursor.execute(compiled.text, compiled.values(rows[0]))
        else:
            cursor.executemany(compiled.text, [compiled.values(row) for row in rows])

    def _for(self, tx: Connection) -> _Compiled:
        found = self._by_store.get(tx.dialect.name)
        if found is None:
            found = self._by_store[tx.dialect.name] = _compiled(self._build(tx.dialect), tx.dialect)
        return found


def prepared(statement: Any) -> Prepared:
    """A statement that both stores are told alike."""
    return Prepared(lambda dialect: statement)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement as one driver wants it."""

    text: str
    order: Sequence[str] | None
    """Names in the order of the question marks; None where the driver binds by name."""
    own: Row
    """Values that stand in the statement itself."""
    binds: Mapping[str, Change]
    results: Sequence[tuple[int, Change]]

    def values(self, given: Row) -> Any:
        bound = {**self.own, **given}
        for name, change in self.binds.items():
            bound[name] = change(bound[name])
        return bound if self.order is None else [bound[name] for name in self.order]

    def read(self, rows: list[Any]) -> list[Any]:
        return [self._as_python_has_it(row) for row in rows] if self.results else rows

    def _as_python_has_it(self, row: Any) -> tuple[Any, ...]:
        values = list(row)
        for place, change in self.results:
            values[place] = change(values[place])
        return tuple(values)


def _compiled(statement: Any, dialect: Dialect) -> _Compiled:
    found: SQLCompiler = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    own = {name: given for name, given in found.params.items() if given is not None}
    kinds = {name: bind.type.dialect_impl(dialect) for name, bind in found.binds.items() if name in found.params}
    binding = ((name, None if _is_raw(kind) else kind.bind_processor(dialect)) for name, kind in kinds.items())
    binds = {name: change for name, change in binding if change is not None}
    results = [
        (place, change) for place, column in enumerate(_columns(statement)) if (change := _reads(column, dialect))
    ]
    return _Compiled(str(found), found.positiontup, own, binds, results)


def _columns(statement: Any) -> Sequence[Any]:
    return tuple(statement.exported_columns) if hasattr(statement, "exported_columns") else ()


def _reads(column: Any, dialect: Dialect) -> Change | None:
    kind = column.type.dialect_impl(dialect)
    change: Change | None = None if _is_raw(kind) else kind.result_processor(dialect, None)
    return change


def _is_raw(kind: Any) -> bool:
    """Both drivers take and give bytes as they are."""
    return isinstance(kind, LargeBinary)
