"""The audit log's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, insert, or_, select

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.tables_access import audit
from community_flow.domain.scope import Role, Scope
from community_flow.ports.audit import AuditRow

_ROW = select(*audit.c)


class SqlAudit:
    def last(self, tx: Connection) -> tuple[int, bytes]:
        if tx.dialect.name == "postgresql":
            # Two workers must not give the same number to two rows.
            tx.exec_driver_sql("LOCK TABLE audit IN EXCLUSIVE MODE")
        row = tx.execute(select(audit.c.number, audit.c.chain).order_by(audit.c.number.desc()).limit(1)).first()
        return (row.number, bytes(row.chain)) if row else (0, b"\0" * 32)

    def add(self, tx: Connection, rows: Sequence[AuditRow]) -> None:
        if rows:
            tx.execute(insert(audit), [asdict(row) for row in rows])

    def rows(self, tx: Connection, after: int, limit: int) -> list[AuditRow]:
        found = tx.execute(_ROW.where(audit.c.number > after).order_by(audit.c.number).limit(limit))
        return [AuditRow(*row) for row in found]

    def latest(
        self, tx: Connection, scope: Scope, *, before: int | None, limit: int, person: str | None = None
    ) -> list[AuditRow]:
        query = _ROW
        if scope.role is Role.RESIDENT:
            query = query.where(audit.c.person == (scope.person or ""))
        else:
            # Rows of the installation itself (sign-ins, accounts) belong to no community: admins see them.
            mine = within(audit.c.community, scope)
            query = query.where(or_(mine, audit.c.community.is_(None)) if scope.role is Role.ADMIN else mine)
            query = query if person is None else query.where(audit.c.person == person)
        query = query if before is None else query.where(audit.c.number < before)
        return [AuditRow(*row) for row in tx.execute(query.order_by(audit.c.number.desc()).limit(limit))]
