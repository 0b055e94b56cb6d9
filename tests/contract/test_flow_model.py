"""Random histories through the real stores: the same rows as the slow model says, and a rebuild changes nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from sqlalchemy import delete, select

from community_flow.adapters.sql.queries_fold_rows import DERIVED
from community_flow.adapters.sql.tables_flow import dirty, flow_hours, passages
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.adapters.sql.tables_registry import current, journal
from community_flow.services.registry import Change
from community_flow.wiring.core import Core
from tests.fakes_flow import FlowKit, report, scan
from tests.fakes_fold_store import Row
from tests.model_fold import Model
from tests.unit.test_fold_model import FIRST_ROWS, histories

CREDENTIALS = ("ps_", "tg_")


def as_report(row: Row) -> dict[str, Any]:
    """A row of the model's world as the store keeps it."""
    where = {name: row[name] for name in ("device", "boot", "seq")}
    t_ms = row["t_ms"]
    if row["kind"] in ("scan", "visitor"):
        told = {name: row[name] for name in ("passed", "party", "token_s")}
        return {**scan(t_ms, row["who"], row["gate"], row["direction"], **where, **told), "kind": row["kind"]}
    if row["kind"] == "count":
        body = None
        if row["replaces"]:
            boot, first, last = row["replaces"]
            body = {"replaces": {"boot": boot, "from": first, "to": last}}
        side = {name: row[name] for name in ("gate", "direction", "n", "from_ms")}
        return report("count", t_ms, **where, **side, body=body)
    if row["kind"] == "census":
        return report("census", t_ms, **where, n=row["n"], body={"zone": row["zone"]})
    boot, seq = row["of"]
    return report("correction", t_ms, **where, body={"of": {"boot": boot, "seq": seq}})


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture,
                                                           HealthCheck.data_too_large],
)  # fmt: skip
@given(history=histories())
def test_any_history_gives_the_rows_of_the_model(core: Core, history: tuple[list[list[Any]], list[int]]) -> None:
    kit, (batches, _) = emptied(core), history
    rows: list[tuple[int, str, str, int, Any]] = []

    def record(kind: str, entity: str, valid_from_ms: int, data: Any) -> None:
        rows.append((len(rows) + 1, kind, entity, valid_from_ms, data))
        kit.register(Change("garden", kind, entity, valid_from_ms, data))

    for kind, entity, data in FIRST_ROWS:
        record(kind, entity, 0, data)
    seen: dict[tuple[str, int, int], Row] = {}
    for batch in batches:
        for event in batch:
            if isinstance(event, dict):
                seen.setdefault((event["device"], event["boot"], event["seq"]), event)
                kit.keep([as_report(event)])
            else:
                (kind, entity, data), valid_from_ms = event
                record(kind, entity, valid_from_ms, data)
        kit.flow.drain()
    model = Model(rows, list(seen.values()))
    found = {
        (row.id, row.subject, row.gate, row.direction, row.at_ms, row.last_ms, row.party, row.evidence)
        for row in kit.listed("passages")
    }
    assert found == model.passages()
    assert {(row.passage, row.zone, row.left_ms, row.left_latest_ms) for row in kit.listed("visits")} == {
        (visit[0], visit[1], visit[4], visit[6]) for visit in model.visits()
    }
    conflicts = {(row.kind, row.subject, frozenset(row.evidence)) for row in kit.listed("conflicts")}
    assert conflicts == model.conflicts()
    assert kit.flow.check("garden") == []
    assert_hours_are_the_sums_of_rows(core)


def emptied(core: Core) -> FlowKit:
    with core.db.write() as tx:
        for table in (*DERIVED, dirty, reports, journal, current):
            tx.execute(delete(table))
    core.registry._journals.clear()  # numbers begin again here, which they never do in a journal that is only added to
    return FlowKit(core)


def assert_hours_are_the_sums_of_rows(core: Core) -> None:
    with core.db.read() as tx:
        bodies = sum(tx.execute(select(passages.c.party)).scalars())
        assert sum(tx.execute(select(flow_hours.c.bodies)).scalars()) == bodies
