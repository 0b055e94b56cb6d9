"""Whole communities in bulk: reports as streams, derived tables filled in the order of their keys.

Written against the driver's own cursors: with millions of rows a statement's overhead for each of them is the cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    Select,
    Table,
    and_,
    case,
    cast,
    delete,
    func,
    select,
    type_coerce,
)
from sqlalchemy import Text as SqlText

from community_flow.adapters.sql.asking import in_passing
from community_flow.adapters.sql.many import copied
from community_flow.adapters.sql.metadata import Json
from community_flow.adapters.sql.queries_fold_counts import live
from community_flow.adapters.sql.report_bodies import body_of, named_in
from community_flow.adapters.sql.tables_flow import (
    attempts,
    censuses,
    conflicts,
    dirty,
    flow_hours,
    ledger,
    ledger_states,
    passages,
    replacements,
    visits,
    voids,
)
from community_flow.adapters.sql.tables_ingest import COUNTED, reports
from community_flow.adapters.sql.tables_retention import checkpoints
from community_flow.domain.bulk_columns import SCAN_ROW
from community_flow.domain.bulk_rows import VISIT_ROW
from community_flow.domain.passages import Attempt, Passage, Triple, report_key
from community_flow.ports.fold_bulk import Anchor, Row

HOUR_MS = 3_600_000
PIECE = 20_000
"""Rows read or written at a time."""

r = reports.c
_names = count()


def _columns(table: Table) -> list[str]:
    return [column.name for column in table.c if column.name != "community"]


COLUMNS: dict[str, tuple[Table, Sequence[str]]] = {
    "passages": (passages, Passage.__struct_fields__),
    "attempts": (attempts, Attempt.__struct_fields__),
    "visits": (visits, VISIT_ROW),
    **{
        table.name: (table, _columns(table))
        for table in (voids, censuses, replacements, conflicts, ledger, ledger_states, flow_hours)
    },
}
INDEXED = (passages, attempts, visits, conflicts)
"""Tables whose other indexes are built once, when they are full, where that is possible."""


class SqlFoldBulk:
    def hold(self, tx: Connection, community: str) -> None:
        if tx.dialect.name == "postgresql":  # on SQLite the writer holds the only write lock
            tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("fold:" + community, 0))))

    def freeze(self, tx: Connection) -> None:
        if tx.dialect.name == "postgresql":  # on SQLite every transaction reads one view
            tx.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    @contextmanager
    def frozen(self, tx: Connection) -> Iterator[Connection]:
        if tx.dialect.name != "postgresql":
            yield tx
            return
        with tx.engine.connect() as beside:
            self.freeze(beside)
            yield beside

    def corrected(self, tx: Connection, community: str) -> Iterator[Triple]:
        told = select(r.device, r.body).where(_mine(tx, community), r.kind == "correction", ~COUNTED, r.held.is_(False))
        for device, body in _rows(tx, told):
            named = named_in(body)
            if named is not None:
                yield device, *named

    def scans(self, tx: Connection, community: str) -> Iterator[Sequence[Row]]:
        people = r.kind.in_(("scan", "visitor"))
        return _pieces(
            tx, select(*(r[name] for name in SCAN_ROW)).where(_mine(tx, community), people, ~COUNTED, live())
        )

    def counts(self, tx: Connection, community: str) -> Iterator[Sequence[Row]]:
        # Only aggregates that stand for others have a body worth reading.
        body = case((r.body.contains('"replaces"'), r.body))
        query = select(
            r.t_ms, r.device, r.boot, r.seq, r.gate, r.direction, r.n, r.from_ms - r.skew_ms, body
        ).where(
            _mine(tx, community), r.kind == "count", COUNTED, r.gate.is_not(None), r.direction.is_not(None),
            live(),
        )  # fmt: skip
        for rows in _pieces(tx, query):
            yield [row if row[8] is None else (*row[:8], _replaces(row[8])) for row in rows]

    def censuses(self, tx: Connection, community: str) -> Iterator[Row]:
        told = select(r.t_ms, r.device, r.boot, r.seq, r.n, r.body)
        mine = and_(_mine(tx, community), r.kind == "census", COUNTED, live())
        for t_ms, device, boot, seq, n, body in _rows(tx, told.where(mine)):
            zone = body_of(body).zone
            if zone is not None:
                yield report_key(t_ms, device, boot, seq), zone, t_ms, n

    def anchors(self, tx: Connection, community: str) -> dict[str, Anchor]:
        k, p = checkpoints.c, passages.c
        same = and_(p.community == k.community, p.key == k.key, p.subject == k.subject)
        query = select(k.subject, k.key, p.before).select_from(checkpoints.outerjoin(passages, same))
        rows = tx.execute(query.where(k.community == community))
        return {subject: Anchor(bytes(key), before) for subject, key, before in rows}

    def outings(self, tx: Connection, community: str) -> Iterator[Row]:
        p = passages.c
        query = select(p.key, p.at_ms, p.id, p.gate, p.direction, p.subject)
        return _rows(tx, query.where(p.community == community).order_by(p.key))

    def empty(self, tx: Connection, community: str) -> None:
        alone = tx.dialect.name == "sqlite" and _alone(tx, community)
        tx.execute(delete(dirty).where(dirty.c.community == community))
        for table, _ in COLUMNS.values():
            # A whole table goes at once, without a look at its rows.
            tx.execute(delete(table) if alone else delete(table).where(table.c.community == community))
        for index in _indexes() if alone else ():
            index.drop(tx)

    def fill(self, tx: Connection, community: str, table: str, rows: Iterable[Row]) -> None:
        target, names = COLUMNS[table]
        told = ["community", *names]
        if tx.dialect.name == "sqlite":
            cursor: Any = tx.connection.cursor()
            name, marks = community.replace("'", "''"), ", ".join("?" * len(names))
            cursor.executemany(f"INSERT INTO {target.name} ({', '.join(told)}) VALUES ('{name}', {marks})", rows)  # noqa: S608
            return
        waiting = iter(rows)
        while piece := list(islice(waiting, PIECE)):
            copied(tx, target.name, told, ((community, *row) for row in piece))

    def index(self, tx: Connection) -> None:
        for index in _indexes():
            index.create(tx, checkfirst=True)

    def kept(self, tx: Connection, community: str, table: str) -> Iterator[Row]:
        target, names = COLUMNS[table]
        return _rows(tx, select(*(_plain(target.c[name]) for name in names)).where(target.c.community == community))


def _indexes() -> list[Any]:
    return [index for table in INDEXED for index in sorted(table.indexes, key=lambda each: str(each.name))]


def _alone(tx: Connection, community: str) -> bool:
    """Nothing of any other community is derived."""
    others = (select(table.c.community).where(table.c.community != community).limit(1) for table, _ in COLUMNS.values())
    return all(tx.execute(query).first() is None for query in others)


def _mine(tx: Connection, community: str) -> ColumnElement[bool]:
    # By the index of times each row of a whole community would be looked up by itself: read the table as it lies.
    return in_passing(r.community, community) if tx.dialect.name == "sqlite" else r.community == community


def _plain(column: Any) -> ColumnElement[Any]:
    """JSON as the text it is kept as, truth as 0 or 1."""
    if isinstance(column.type, Boolean):
        return cast(column, Integer)
    return type_coerce(column, SqlText) if isinstance(column.type, Json) else column


def _pieces(tx: Connection, query: Select[Any]) -> Iterator[Sequence[Row]]:
    """Rows as the driver gives them, some thousand at a time; on PostgreSQL they wait at the server."""
    text = str(query.compile(dialect=tx.dialect, compile_kwargs={"literal_binds": True}))
    driver: Any = tx.connection
    cursor = driver.cursor(name=f"bulk_{next(_names)}") if tx.dialect.name == "postgresql" else driver.cursor()
    try:
        cursor.execute(text, ())
        while rows := cursor.fetchmany(PIECE):
            yield rows
    finally:
        cursor.close()


def _rows(tx: Connection, query: Select[Any]) -> Iterator[Row]:
    for rows in _pieces(tx, query):
        yield from rows


def _replaces(body: str | None) -> tuple[int, int, int] | None:
    found = body_of(body).replaces
    return None if found is None else (found.boot, found.from_, found.to)
