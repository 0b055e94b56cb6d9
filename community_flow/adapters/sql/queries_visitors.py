"""Reading whether visitors came and left."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, case, func, select

from community_flow.adapters.sql.driver import batched
from community_flow.adapters.sql.queries_registry import CHUNK
from community_flow.adapters.sql.tables_flow import visits
from community_flow.ports.visitors import Stay


class SqlStays:
    def stays(
        self, tx: Connection, community: str, persons: Sequence[str], since_ms: int, now_ms: int
    ) -> dict[str, Stay]:
        found = {}
        open_now = case((visits.c.left_ms.is_(None) & (visits.c.until_ms > now_ms), 1), else_=0)
        for chunk in batched(persons, CHUNK):
            rows = tx.execute(
                select(
                    visits.c.person,
                    func.min(visits.c.entered_ms).label("entered_ms"),
                    func.max(visits.c.left_ms).label("left_ms"),
                    func.max(open_now).label("inside"),
                )
                .where(
                    visits.c.community == community, visits.c.person.in_(chunk), visits.c.until_ms >= since_ms,
                    visits.c.entered_ms <= now_ms,
                )
                .group_by(visits.c.person)
            )  # fmt: skip
            for row in rows:
                inside = bool(row.inside)
                found[row.person] = Stay(row.person, row.entered_ms, None if inside else row.left_ms, inside)
        return found
