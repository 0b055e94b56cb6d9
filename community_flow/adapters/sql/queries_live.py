"""What the live page reads, summed by the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, case, func, literal, select, union_all

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.queries_device_sums import SqlDeviceSums
from community_flow.adapters.sql.tables_flow import ledger, passages, visits
from community_flow.adapters.sql.tables_ingest import COUNTED, device_status, reports
from community_flow.domain.scope import Scope
from community_flow.ports.live import DeviceSeen, FlowCell


class SqlLive:
    def flow(self, tx: Connection, scope: Scope, from_ms: int, to_ms: int, step_ms: int) -> list[FlowCell]:
        parts = union_all(
            _cells(passages, passages.c.party, scope, from_ms, to_ms, step_ms),
            _cells(ledger, ledger.c.n, scope, from_ms, to_ms, step_ms).where(ledger.c.kind == "surplus"),
        ).subquery()
        rows = tx.execute(
            select(parts.c.gate, parts.c.direction, parts.c.slot, func.sum(parts.c.bodies)).group_by(
                parts.c.gate, parts.c.direction, parts.c.slot
            )
        )
        return [
            FlowCell(gate, direction, from_ms + slot * step_ms, int(bodies)) for gate, direction, slot, bodies in rows
        ]

    def visit_changes(
        self, tx: Connection, scope: Scope, zones: Collection[str], from_ms: int, to_ms: int, step_ms: int
    ) -> dict[int, int]:
        changes: Counter[int] = Counter()
        for column, sign in ((visits.c.entered_ms, 1), (visits.c.until_ms, -1)):
            slot = _slot(column, from_ms, step_ms)
            rows = tx.execute(
                select(slot, func.count())
                .where(
                    within(visits.c.community, scope), visits.c.zone.in_(sorted(zones)), _during(column, from_ms, to_ms)
                )
                .group_by(slot)
            )
            for at, count in rows:
                changes[from_ms + at * step_ms] += sign * count
        return dict(changes)

    def unnamed_changes(
        self, tx: Connection, scope: Scope, gates: Collection[str], from_ms: int, to_ms: int, step_ms: int
    ) -> dict[int, int]:
        border = sorted(gates)
        parts = union_all(
            _signed(passages, passages.c.unnamed, scope, from_ms, to_ms, step_ms).where(passages.c.gate.in_(border)),
            _signed(ledger, ledger.c.n, scope, from_ms, to_ms, step_ms).where(
                ledger.c.kind == "surplus", ledger.c.gate.in_(border)
            ),
        ).subquery()
        rows = tx.execute(select(parts.c.slot, func.sum(parts.c.bodies)).group_by(parts.c.slot))
        return {from_ms + slot * step_ms: int(bodies) for slot, bodies in rows}

    def latest(self, tx: Connection, scope: Scope, from_ms: int) -> dict[str, int]:
        newest: dict[str, int] = {}
        for table in (passages, ledger):
            rows = tx.execute(
                select(table.c.gate, func.max(table.c.at_ms))
                .where(within(table.c.community, scope), table.c.at_ms >= from_ms)
                .group_by(table.c.gate)
            )
            for gate, at_ms in rows:
                newest[gate] = max(at_ms, newest.get(gate, 0))
        return newest

    def devices(self, tx: Connection, scope: Scope) -> list[DeviceSeen]:
        rows = tx.execute(
            select(
                device_status.c.device,
                device_status.c.last_ms,
                device_status.c.last_report_ms,
                device_status.c.queue,
                device_status.c.faults,
                device_status.c.skew_ms,
                device_status.c.mismatch_ms,
                device_status.c.link,
                device_status.c.link_ms,
                device_status.c.silence_ms,
            ).where(within(device_status.c.community, scope))
        )
        differ = {device: each.since_ms for device, each in SqlDeviceSums().differing(tx, scope).items()}
        return [
            DeviceSeen(
                row.device, row.last_ms, row.last_report_ms, row.queue, tuple(row.faults or ()), row.skew_ms,
                row.mismatch_ms or differ.get(row.device), row.link_ms if row.link == "offline" else None,
                row.silence_ms,
            )
            for row in rows
        ]  # fmt: skip

    def any_report(self, tx: Connection, scope: Scope) -> bool:
        mine = within(reports.c.community, scope)
        each = (tx.execute(select(literal(1)).where(mine, which).limit(1)) for which in (COUNTED, ~COUNTED))
        return any(found.first() is not None for found in each)


def _during(column: ColumnElement[int], from_ms: int, to_ms: int) -> ColumnElement[bool]:
    return and_(column >= from_ms, column < to_ms)


def _slot(column: ColumnElement[int], from_ms: int, step_ms: int) -> ColumnElement[int]:
    return (column - from_ms) // step_ms


def _cells(
    table: Table, bodies: ColumnElement[int], scope: Scope, from_ms: int, to_ms: int, step_ms: int
) -> Select[tuple[Any, ...]]:
    return select(
        table.c.gate,
        table.c.direction,
        _slot(table.c.at_ms, from_ms, step_ms).label("slot"),
        bodies.label("bodies"),
    ).where(within(table.c.community, scope), _during(table.c.at_ms, from_ms, to_ms))


def _signed(
    table: Table, bodies: ColumnElement[int], scope: Scope, from_ms: int, to_ms: int, step_ms: int
) -> Select[tuple[Any, ...]]:
    inward = case((table.c.direction == "in", bodies), else_=-bodies)
    return select(_slot(table.c.at_ms, from_ms, step_ms).label("slot"), inward.label("bodies")).where(
        within(table.c.community, scope), _during(table.c.at_ms, from_ms, to_ms)
    )
