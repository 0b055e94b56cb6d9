"""Reading and writing the registry journal and its projection."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, select

from community_flow.adapters.sql.driver import batched
from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_registry import communities, current, journal
from community_flow.domain.errors import NotFound
from community_flow.domain.journal import Entry, Journal
from community_flow.domain.places import KINDS
from community_flow.domain.scope import Scope
from community_flow.ports.registry import Recorded

T = TypeVar("T")
CHUNK = 500
OWNER_FIELD = {"pass": "person", "person": "household", "household": "unit"}
"""Which field of a state the index column `owner` repeats."""

_COLUMNS = (
    journal.c.number,
    journal.c.community,
    journal.c.kind,
    journal.c.entity,
    journal.c.valid_from_ms,
    journal.c.data,
)


class SqlJournal:
    def append(self, tx: Connection, rows: Sequence[Entry], recorded_ms: int, account: str) -> list[Entry]:
        if not rows:
            return []
        # The number settles ties, so it must follow the order of `rows`; the writer holds the only write lock on
        # SQLite, and this lock gives PostgreSQL the same.
        if tx.dialect.name == "postgresql":
            tx.exec_driver_sql("LOCK TABLE journal IN EXCLUSIVE MODE")
        first = self.newest(tx) + 1
        numbered = [
            Entry(first + place, row.community, row.kind, row.entity, row.valid_from_ms, row.data)
            for place, row in enumerate(rows)
        ]
        tx.execute(
            insert(journal),
            [
                {
                    "number": row.number,
                    "community": row.community,
                    "kind": row.kind,
                    "entity": row.entity,
                    "valid_from_ms": row.valid_from_ms,
                    "recorded_ms": recorded_ms,
                    "account": account,
                    "data": row.data,
                }
                for row in numbered
            ],
        )
        return numbered

    def of_community(self, tx: Connection, community: str) -> Journal:
        rows = tx.execute(select(*_COLUMNS).where(journal.c.community == community))
        return Journal(community, (Entry(*row) for row in rows))

    def newest(self, tx: Connection) -> int:
        return int(tx.execute(select(func.coalesce(func.max(journal.c.number), 0))).scalar_one())

    def project(self, tx: Connection, entities: Iterable[tuple[str, str, str]], now_ms: int) -> None:
        kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
        for community, kind, entity in entities:
            kinds[community, kind].add(entity)
        for (community, kind), names in sorted(kinds.items()):
            # In chunks: an import brings tens of thousands, and a statement takes a limited number of values.
            for chunk in batched(sorted(names), CHUNK):
                self._project(tx, community, kind, chunk, now_ms)

    def _project(self, tx: Connection, community: str, kind: str, names: Sequence[str], now_ms: int) -> None:
        found = tx.execute(
            select(journal.c.entity, journal.c.valid_from_ms, journal.c.data)
            .where(journal.c.community == community, journal.c.kind == kind, journal.c.entity.in_(names))
            .order_by(journal.c.entity, journal.c.valid_from_ms, journal.c.number)
        )
        rows = []
        for entity, history in groupby(found, key=lambda row: row.entity):
            key = {"community": community, "kind": kind, "entity": entity}
            state = _state(kind, [(row.valid_from_ms, row.data) for row in history], now_ms)
            if state is not None:
                rows.append({**key, **state})
        upsert(tx, current, rows, ("community", "kind", "entity"))
        gone = set(names) - {row["entity"] for row in rows}
        if gone:
            mine = and_(current.c.community == community, current.c.kind == kind)
            tx.execute(delete(current).where(mine, current.c.entity.in_(gone)))

    def due(self, tx: Connection, now_ms: int) -> list[tuple[str, str, str]]:
        rows = tx.execute(
            select(current.c.community, current.c.kind, current.c.entity).where(current.c.due_ms <= now_ms)
        )
        return [(row.community, row.kind, row.entity) for row in rows]

    def current(self, tx: Connection, scope: Scope, kind: str, entity: str | None = None) -> list[tuple[str, str, Any]]:
        query = select(current.c.community, current.c.entity, current.c.data).where(
            within(current.c.community, scope), current.c.kind == kind
        )
        if entity is not None:
            query = query.where(current.c.entity == entity)
        rows = tx.execute(query.order_by(current.c.community, current.c.entity))
        return [(row.community, row.entity, msgspec.convert(row.data, KINDS[kind])) for row in rows if row.data]

    def owned(self, tx: Connection, scope: Scope, kind: str, owners: Sequence[str]) -> list[tuple[str, str, Any]]:
        found: list[tuple[str, str, Any]] = []
        for chunk in batched(owners, CHUNK):
            query = select(current.c.community, current.c.entity, current.c.data).where(
                within(current.c.community, scope), current.c.kind == kind, current.c.owner.in_(chunk)
            )
            rows = tx.execute(query.order_by(current.c.community, current.c.entity))
            found += [(row.community, row.entity, msgspec.convert(row.data, KINDS[kind])) for row in rows if row.data]
        return found

    def history(self, tx: Connection, community: str, kind: str, entities: Sequence[str]) -> list[Recorded]:
        mine = and_(journal.c.community == community, journal.c.kind == kind, journal.c.entity.in_(entities))
        rows = tx.execute(
            select(*_COLUMNS, journal.c.recorded_ms, journal.c.account)
            .where(mine)
            .order_by(journal.c.valid_from_ms, journal.c.number)
        )
        return [Recorded(Entry(*row[:6]), row.recorded_ms, row.account) for row in rows]

    def add_community(self, tx: Connection, community: str, uid: bytes, now_ms: int) -> None:
        tx.execute(insert(communities).values(community=community, uid=uid, created_ms=now_ms))

    def uid(self, tx: Connection, community: str) -> bytes:
        found = tx.execute(select(communities.c.uid).where(communities.c.community == community)).scalar()
        if found is None:
            raise NotFound("There is no community by that name: choose one from the list.")
        return bytes(found)

    def communities(self, tx: Connection) -> list[str]:
        return list(tx.execute(select(communities.c.community).order_by(communities.c.community)).scalars())


def _state(kind: str, history: Sequence[tuple[int, Any]], now_ms: int) -> dict[str, Any] | None:
    """The projection as of now of one entity's rows, oldest first; None when there is nothing to keep."""
    past = [row for row in history if row[0] <= now_ms]
    due = next((valid_from_ms for valid_from_ms, _ in history if valid_from_ms > now_ms), None)
    if not past or past[-1][1] is None:
        # Not in effect yet (or ended and coming back): keep a row without state so that `due` finds it.
        return None if due is None else {"since_ms": due, "data": {}, "due_ms": due, "owner": None}
    since_ms, data = past[-1]
    return {"since_ms": since_ms, "data": data, "due_ms": due, "owner": data.get(OWNER_FIELD.get(kind, ""))}
