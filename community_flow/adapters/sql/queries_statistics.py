"""Hourly counts: made from what the fold derived, kept without persons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from sqlalchemy import Connection, and_, delete, func, insert, select

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_cases import footfall_due, footfall_hourly
from community_flow.adapters.sql.tables_flow import flow_hours, passages, visits
from community_flow.adapters.sql.tables_retention import checkpoints
from community_flow.domain.footfall import HOUR_MS, HourCount, PlaceKind, Stays, hour_of
from community_flow.domain.passages import key_t_ms
from community_flow.domain.scope import Scope
from community_flow.ports.statistics import Due

KEY = ("community", "kind", "place", "hour_ms")
CHUNK = 500


class SqlFootfall:
    def due(self, tx: Connection, community: str) -> Due | None:
        mine = select(footfall_due).where(footfall_due.c.community == community).with_for_update()
        row = tx.execute(mine).first()
        return None if row is None else Due(row.from_ms, row.counted_ms)

    def set_due(self, tx: Connection, community: str, due: Due) -> None:
        upsert(tx, footfall_due, [{"community": community, **asdict(due)}], ("community",))

    def first_ms(self, tx: Connection, community: str) -> int | None:
        """Time of the first row that is kept for its own sake: last passages left by retention count no hours."""
        anchors = select(checkpoints.c.key).where(checkpoints.c.community == community)
        newest = tx.execute(anchors.order_by(checkpoints.c.key.desc()).limit(1)).scalar()
        cut_ms = 0 if newest is None else hour_of(key_t_ms(bytes(newest))) + HOUR_MS
        p, h = passages.c, flow_hours.c
        firsts = (
            select(func.min(p.at_ms)).where(p.community == community, p.key.not_in(anchors)),
            select(func.min(h.hour_ms)).where(h.community == community, h.hour_ms >= cut_ms),
        )
        found = [first for each in firsts if (first := tx.execute(each).scalar()) is not None]
        return min(found, default=None)

    def gate_hours(self, tx: Connection, community: str, from_ms: int, to_ms: int) -> list[HourCount]:
        there = and_(flow_hours.c.community == community, flow_hours.c.hour_ms >= from_ms, flow_hours.c.hour_ms < to_ms)
        found: dict[tuple[str, int], HourCount] = {}
        for row in tx.execute(select(flow_hours).where(there)):
            key = (row.gate, row.hour_ms)
            count = found.get(key) or HourCount(community, "gate", row.gate, row.hour_ms)
            # Who passed by scan with companions, and whom the camera counted beyond them.
            went = row.bodies + row.surplus
            found[key] = replace(count, entries=went) if row.direction == "in" else replace(count, exits=went)
        return list(found.values())

    def stays(self, tx: Connection, community: str, from_ms: int, to_ms: int) -> dict[str, Stays]:
        columns = (visits.c.zone, visits.c.entered_ms, visits.c.left_ms, visits.c.left_earliest_ms, visits.c.until_ms)
        touching = and_(visits.c.community == community, visits.c.entered_ms < to_ms, visits.c.until_ms >= from_ms)
        found: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
        for zone, entered, left, earliest, until in tx.execute(select(*columns).where(touching)):
            found[zone].append((entered, -1 if left is None else left, earliest, until))
        return {zone: Stays(*np.array(rows, dtype=np.int64).T) for zone, rows in found.items()}

    def replace(self, tx: Connection, community: str, from_ms: int, rows: Sequence[HourCount]) -> None:
        old = and_(footfall_hourly.c.community == community, footfall_hourly.c.hour_ms >= from_ms)
        tx.execute(delete(footfall_hourly).where(old))
        if rows:
            tx.execute(insert(footfall_hourly), [asdict(row) for row in rows])

    def add(self, tx: Connection, rows: Sequence[HourCount]) -> None:
        for start in range(0, len(rows), CHUNK):
            upsert(tx, footfall_hourly, [asdict(row) for row in rows[start : start + CHUNK]], KEY)

    def rows(self, tx: Connection, scope: Scope, kind: PlaceKind, from_ms: int, to_ms: int) -> list[HourCount]:
        there = and_(
            within(footfall_hourly.c.community, scope),
            footfall_hourly.c.kind == kind,
            footfall_hourly.c.hour_ms >= from_ms,
            footfall_hourly.c.hour_ms < to_ms,
        )
        order = (footfall_hourly.c.hour_ms, footfall_hourly.c.community, footfall_hourly.c.place)
        return [HourCount(**row._mapping) for row in tx.execute(select(footfall_hourly).where(there).order_by(*order))]
