"""What is kept about one person, read for that person alone."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.tables_flow import visits
from community_flow.adapters.sql.tables_registry import current, passes, people
from community_flow.domain.scope import Scope
from community_flow.ports.kept import KeptPass, KeptRecord, KeptSpan, KeptVisit


class SqlKept:
    def record(self, tx: Connection, scope: Scope) -> KeptRecord | None:
        row = tx.execute(select(people).where(_own(people, scope), people.c.erased_ms.is_(None))).first()
        if row is None:
            return None
        return KeptRecord(row.name, row.phone, row.note, self._unit(tx, scope), row.created_ms)

    def passes(self, tx: Connection, scope: Scope) -> list[KeptPass]:
        rows = tx.execute(
            select(current.c.data, passes.c.short_code, passes.c.issued_ms)
            .join_from(current, passes, passes.c.pass_id == current.c.entity)
            .where(within(current.c.community, scope), current.c.kind == "pass", current.c.owner == scope.person)
            .order_by(passes.c.issued_ms.desc())
        )
        return [
            KeptPass(row.data.get("kind", "card"), row.data.get("status", "active"), row.short_code, row.issued_ms)
            for row in rows
        ]

    def span(self, tx: Connection, scope: Scope) -> KeptSpan:
        count, oldest_ms = tx.execute(
            select(func.count(), func.min(visits.c.entered_ms)).where(_own(visits, scope))
        ).one()
        return KeptSpan(count, oldest_ms)

    def visits(self, tx: Connection, scope: Scope, limit: int) -> list[KeptVisit]:
        columns = (visits.c.community, visits.c.zone, visits.c.entered_ms, visits.c.left_ms, visits.c.certainty)
        rows = tx.execute(
            select(*columns).where(_own(visits, scope)).order_by(visits.c.entered_ms.desc(), visits.c.zone).limit(limit)
        )
        return [KeptVisit(*row) for row in rows]

    def _unit(self, tx: Connection, scope: Scope) -> str | None:
        """The unit of the household that the person belongs to now."""
        household = select(current.c.owner).where(
            within(current.c.community, scope), current.c.kind == "person", current.c.entity == scope.person
        )
        found = tx.execute(
            select(current.c.data).where(
                within(current.c.community, scope), current.c.kind == "household", current.c.entity.in_(household)
            )
        ).scalar()
        return None if found is None else str(found.get("unit", "")) or None


def _own(table: Table, scope: Scope) -> ColumnElement[bool]:
    return and_(within(table.c.community, scope), table.c.person == (scope.person or ""))
