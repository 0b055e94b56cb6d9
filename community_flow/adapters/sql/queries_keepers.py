"""Who keeps whose pass on their phone."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, insert, or_, select, update

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.tables_registry import pass_keepers
from community_flow.domain.scope import Scope
from community_flow.ports.keepers import Keeping


class SqlKeepers:
    def add(self, tx: Connection, keeping: Keeping) -> None:
        tx.execute(insert(pass_keepers), [asdict(keeping)])

    def end(self, tx: Connection, keeping: str, at_ms: int) -> None:
        c = pass_keepers.c
        tx.execute(update(pass_keepers).where(c.keeping == keeping, c.ended_ms.is_(None)).values(ended_ms=at_ms))

    def one(self, tx: Connection, scope: Scope, keeping: str) -> Keeping | None:
        c = pass_keepers.c
        row = tx.execute(select(pass_keepers).where(within(c.community, scope), c.keeping == keeping)).first()
        return None if row is None else Keeping(**row._mapping)

    def about(self, tx: Connection, scope: Scope, person: str) -> list[Keeping]:
        c = pass_keepers.c
        mine = select(pass_keepers).where(within(c.community, scope), or_(c.person == person, c.keeper == person))
        return [Keeping(**row._mapping) for row in tx.execute(mine.order_by(c.from_ms.desc(), c.keeping))]
