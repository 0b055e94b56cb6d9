"""Reading and writing the registry journal and its projection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, select

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_registry import communities, current, journal
from community_flow.domain.errors import NotFound
from community_flow.domain.journal import Entry, Journal
from community_flow.domain.places import KINDS
from community_flow.domain.scope import Scope

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
        wanted = sorted(set(entities))
        rows = [row for key in wanted if (row := self._projected(tx, key, now_ms)) is not None]
        kept = {(row["community"], row["kind"], row["entity"]) for row in rows}
        upsert(tx, current, rows, ("community", "kind", "entity"))
        for community, kind, entity in set(wanted) - kept:
            tx.execute(
                delete(current).where(
                    and_(current.c.community == community, current.c.kind == kind, current.c.entity == entity)
                )
            )

    def _projected(self, tx: Connection, key: tuple[str, str, str], now_ms: int) -> dict[str, Any] | None:
        community, kind, entity = key
        mine = and_(journal.c.community == community, journal.c.kind == kind, journal.c.entity == entity)
        now = tx.execute(
            select(journal.c.valid_from_ms, journal.c.data)
            .where(mine, journal.c.valid_from_ms <= now_ms)
            .order_by(journal.c.valid_from_ms.desc(), journal.c.number.desc())
            .limit(1)
        ).first()
        due = tx.execute(
            select(func.min(journal.c.valid_from_ms)).where(mine, journal.c.valid_from_ms > now_ms)
        ).scalar()
        if now is None or now.data is None:
            if due is None:
                return None
            # Not in effect yet (or ended and coming back): keep a row without state so that `due` finds it.
            return {"community": community, "kind": kind, "entity": entity, "since_ms": due, "data": {}, "due_ms": due}
        return {
            "community": community,
            "kind": kind,
            "entity": entity,
            "since_ms": now.valid_from_ms,
            "data": now.data,
            "due_ms": due,
        }

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

    def add_community(self, tx: Connection, community: str, uid: bytes, now_ms: int) -> None:
        tx.execute(insert(communities).values(community=community, uid=uid, created_ms=now_ms))

    def uid(self, tx: Connection, community: str) -> bytes:
        found = tx.execute(select(communities.c.uid).where(communities.c.community == community)).scalar()
        if found is None:
            raise NotFound("There is no community by that name: choose one from the list.")
        return bytes(found)

    def communities(self, tx: Connection) -> list[str]:
        return list(tx.execute(select(communities.c.community).order_by(communities.c.community)).scalars())
