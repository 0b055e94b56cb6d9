"""Derived rows as operators read them: ascending in time, always within a scope."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, case, false, func, or_, select, tuple_

from community_flow.adapters.sql.asking import for_each
from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.queries_fold_reports import asked_reports, same_report
from community_flow.adapters.sql.queries_fold_rows import (
    ATTEMPT_FIELDS,
    CONFLICT_FIELDS,
    PASSAGE_FIELDS,
    VISIT_FIELDS,
    stored_conflict,
    stored_passage,
)
from community_flow.adapters.sql.tables_flow import (
    attempts,
    censuses,
    conflicts,
    flow_hours,
    folds,
    ledger,
    passages,
    visits,
)
from community_flow.adapters.sql.tables_ingest import device_status, reports
from community_flow.domain.ledger import SURPLUS
from community_flow.domain.occupancy import GateFlow, ZoneVisits
from community_flow.domain.passages import Attempt, key_at, key_triple
from community_flow.domain.scope import Scope
from community_flow.domain.visits import LIKELY_MS, UNKNOWN, Visit, encoded
from community_flow.ports.flow import Kept, RowQuery

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_RECEIVED = for_each((reports.c.device, reports.c.boot, reports.c.seq, reports.c.received_ms), same_report)


class SqlPassages:
    def passages(self, tx: Connection, scope: Scope, query: RowQuery) -> list[Kept]:
        found = [
            Kept(row[0], stored_passage(row[1:]))
            for row in tx.execute(_gate_rows(passages, PASSAGE_FIELDS, scope, query))
        ]
        received = _received(tx, [each.row.key for each in found])
        return [Kept(each.community, each.row, received.get(each.row.key)) for each in found]

    def attempts(self, tx: Connection, scope: Scope, query: RowQuery) -> list[Kept]:
        rows = tx.execute(_gate_rows(attempts, ATTEMPT_FIELDS, scope, query))
        return [Kept(row[0], Attempt(bytes(row[1]), *row[2:])) for row in rows]

    def visits(self, tx: Connection, scope: Scope, query: RowQuery) -> list[Kept]:
        c = visits.c
        asked = _columns(visits, VISIT_FIELDS).where(within(c.community, scope), *_span(c.key, query))
        asked = asked.where(*_equal(c.zone, query.zone), *_equal(c.subject, query.person))
        if query.after:
            asked = asked.where(tuple_(c.key, c.zone) > (bytes.fromhex(query.after[0]), query.after[1]))
        rows = tx.execute(asked.order_by(c.key, c.zone).limit(query.limit))
        return [Kept(row[0], Visit(*row[1:])) for row in rows]

    def conflicts(self, tx: Connection, scope: Scope, query: RowQuery) -> list[Kept]:
        c = conflicts.c
        asked = _columns(conflicts, CONFLICT_FIELDS).where(within(c.community, scope))
        asked = asked.where(*_equal(c.kind, query.kind), *_equal(c.subject, query.person))
        asked = asked.where(*_from(c.at_ms, query.from_ms), *_to(c.at_ms, query.to_ms))
        if query.after:
            asked = asked.where(tuple_(c.at_ms, c.id) > (int(query.after[0]), query.after[1]))
        rows = tx.execute(asked.order_by(c.at_ms, c.id).limit(query.limit))
        return [Kept(row[0], stored_conflict(row[1:])) for row in rows]

    def censuses(self, tx: Connection, scope: Scope, community: str, as_of_ms: int) -> dict[str, tuple[int, int]]:
        c = censuses.c
        rows = tx.execute(
            select(c.zone, c.at_ms, c.n)
            .where(within(c.community, scope), c.community == community, c.at_ms <= as_of_ms)
            .order_by(c.key)
        )
        return {zone: (at_ms, n) for zone, at_ms, n in rows}

    def open_visits(self, tx: Connection, scope: Scope, community: str, as_of_ms: int) -> dict[str, ZoneVisits]:
        c = visits.c
        mine = and_(within(c.community, scope), c.community == community)
        stale = func.sum(case((c.left_earliest_ms < as_of_ms - LIKELY_MS, 1), else_=0))
        inside = select(c.zone, func.count(), stale).where(mine, c.until_ms > as_of_ms, c.entered_ms <= as_of_ms)
        unseen = func.sum(case((c.left_ms.is_(None), 1), else_=0))
        ended = select(c.zone, func.count(), unseen).where(mine, c.until_ms <= as_of_ms, c.until_ms > as_of_ms - DAY_MS)
        recent = {zone: (int(n), int(unseen)) for zone, n, unseen in tx.execute(ended.group_by(c.zone))}
        now = {zone: (int(n), int(stale)) for zone, n, stale in tx.execute(inside.group_by(c.zone))}
        return {
            zone: ZoneVisits(
                *now.get(zone, (0, 0)),
                recent_seen=recent.get(zone, (0, 0))[0] - recent.get(zone, (0, 0))[1],
                recent_unseen=recent.get(zone, (0, 0))[1],
            )
            for zone in now.keys() | recent.keys()
        }

    def open_count(self, tx: Connection, scope: Scope, community: str, zone: str, at_ms: int) -> int:
        """Visits of a zone open at a moment."""
        c = visits.c
        return int(
            tx.execute(
                select(func.count()).where(
                    within(c.community, scope),
                    c.community == community,
                    c.zone == zone,
                    c.until_ms > at_ms,
                    c.entered_ms <= at_ms,
                )
            ).scalar_one()
        )

    def unseen_exits(
        self, tx: Connection, scope: Scope, community: str, zone: str, since_ms: int, as_of_ms: int
    ) -> int:
        c = visits.c
        return int(
            tx.execute(
                select(func.count()).where(
                    within(c.community, scope),
                    c.community == community,
                    c.zone == zone,
                    c.left_ms.is_(None),
                    c.until_ms > since_ms,
                    c.until_ms <= as_of_ms,
                )
            ).scalar_one()
        )

    def first_seen(
        self, tx: Connection, scope: Scope, community: str, ways: Collection[tuple[str, str]], since_ms: int,
        as_of_ms: int,
    ) -> int:  # fmt: skip
        c = passages.c
        first = and_(c.before == encoded(UNKNOWN), ~c.subject.startswith("r:"))
        way = or_(false(), *(and_(c.gate == gate, c.direction == direction) for gate, direction in ways))
        here = and_(_of(community, scope)(passages), c.at_ms > since_ms, c.at_ms <= as_of_ms)
        return int(tx.execute(select(func.count()).where(here, first, way)).scalar_one())

    def gate_flows(self, tx: Connection, scope: Scope, community: str, since_ms: int, as_of_ms: int) -> list[GateFlow]:
        """Whole hours from the hourly sums, the two ends from the rows."""
        first_hour, last_hour = -(-since_ms // HOUR_MS) * HOUR_MS, as_of_ms // HOUR_MS * HOUR_MS
        total: dict[tuple[str, str], list[int]] = {}
        mine = _of(community, scope)
        if last_hour <= first_hour:
            spans = [(since_ms, as_of_ms)]
        else:
            spans = [(since_ms, first_hour - 1), (last_hour, as_of_ms)]
            c = flow_hours.c
            sums = [func.sum(each) for each in (c.bodies, c.unnamed, c.unseen, c.surplus, c.turned_back)]
            hours = select(c.gate, c.direction, *sums).where(
                mine(flow_hours), c.hour_ms >= first_hour, c.hour_ms < last_hour
            )
            _add(total, tx.execute(hours.group_by(c.gate, c.direction)))
        for span in spans:
            _add(total, tx.execute(_passed(mine, span)))
            _add(total, tx.execute(_unmatched(mine, span)))
        return [_gate_flow(gate, direction, sums) for (gate, direction), sums in sorted(total.items())]

    def last_seen(self, tx: Connection, scope: Scope, community: str) -> dict[str, int]:
        """Device → when it was last heard of."""
        c = device_status.c
        rows = tx.execute(select(c.device, c.last_ms).where(within(c.community, scope), c.community == community))
        return {row.device: row.last_ms for row in rows}

    def last_fold_ms(self, tx: Connection, scope: Scope, community: str) -> int | None:
        mine = and_(within(folds.c.community, scope), folds.c.community == community)
        found: int | None = tx.execute(select(folds.c.folded_at_ms).where(mine)).scalar()
        return found


def _columns(table: Table, fields: Sequence[str]) -> Select[Any]:
    return select(table.c.community, *(table.c[name] for name in fields))


def _gate_rows(table: Table, fields: Sequence[str], scope: Scope, query: RowQuery) -> Select[Any]:
    c = table.c
    asked = _columns(table, fields).where(within(c.community, scope), *_span(c.key, query))
    if scope.gates is not None:
        asked = asked.where(c.gate.in_(sorted(scope.gates)))
    asked = asked.where(*_equal(c.gate, query.gate), *_equal(c.subject, query.person))
    if query.after:
        asked = asked.where(c.key > bytes.fromhex(query.after[0]))
    return asked.order_by(c.key).limit(query.limit)


def _span(key: Any, query: RowQuery) -> list[ColumnElement[bool]]:
    first = [] if query.from_ms is None else [key >= key_at(query.from_ms)]
    return first if query.to_ms is None else [*first, key < key_at(query.to_ms)]


def _from(column: Any, from_ms: int | None) -> list[ColumnElement[bool]]:
    return [] if from_ms is None else [column >= from_ms]


def _to(column: Any, to_ms: int | None) -> list[ColumnElement[bool]]:
    return [] if to_ms is None else [column < to_ms]


def _equal(column: Any, value: str | None) -> list[ColumnElement[bool]]:
    return [] if value is None else [column == value]


def _received(tx: Connection, keys: Sequence[bytes]) -> dict[bytes, int]:
    """When the reports of these keys were received."""
    keyed = {key_triple(key): key for key in keys}
    found = _RECEIVED.rows(tx, asked_reports(keyed))
    return {keyed[device, boot, seq]: received_ms for device, boot, seq, received_ms in found}


Mine = Callable[[Table], ColumnElement[bool]]


def _of(community: str, scope: Scope) -> Mine:
    def mine(table: Table) -> ColumnElement[bool]:
        return and_(within(table.c.community, scope), table.c.community == community)

    return mine


def _passed(mine: Mine, span_ms: tuple[int, int]) -> Select[Any]:
    c = passages.c
    sums = [func.sum(c.party), func.sum(c.unnamed), func.sum(case((c.unseen, 1), else_=0))]
    here = and_(mine(passages), c.key >= key_at(span_ms[0]), c.key < key_at(span_ms[1] + 1))
    return select(c.gate, c.direction, *sums).where(here).group_by(c.gate, c.direction)


def _unmatched(mine: Mine, span_ms: tuple[int, int]) -> Select[Any]:
    c = ledger.c
    surplus = func.sum(case((c.kind == SURPLUS, c.n), else_=0))
    turned_back = func.sum(case((c.kind == SURPLUS, 0), else_=c.n))
    zero = func.sum(0)
    here = and_(mine(ledger), c.at_ms.between(*span_ms))
    return select(c.gate, c.direction, zero, zero, zero, surplus, turned_back).where(here).group_by(c.gate, c.direction)


def _add(total: dict[tuple[str, str], list[int]], rows: Any) -> None:
    for gate, direction, *sums in rows:
        known = total.setdefault((gate, direction), [0, 0, 0, 0, 0])
        for place, value in enumerate(sums):
            known[place] += int(value or 0)


def _gate_flow(gate: str, direction: str, sums: Sequence[int]) -> GateFlow:
    bodies, unnamed, unseen, surplus, turned_back = sums
    # A counted body either met a passage or is surplus, so their number follows from the other sums.
    return GateFlow(gate, direction, unnamed, unseen, max(0, bodies - turned_back) + surplus, surplus)
