"""Hourly counts and the answers made of them, on both stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from community_flow.adapters.sql.store import SqlDatabase
from community_flow.domain.errors import Invalid, NotFound
from community_flow.domain.footfall import HourCount
from community_flow.domain.places import Grid
from community_flow.domain.scope import Role, Scope
from community_flow.services.registry import Change
from community_flow.services.statistics import Asked, StatTable
from community_flow.wiring.core import Core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.tracing import TracingParts, tracing_parts
from tests.factories import an_account, small_community
from tests.fakes_flow import FlowKit, count, scan
from tests.fakes_tracing import DAY_MS, HOUR_MS, NOON_MS, FixedClock, met

DAY = date(2026, 11, 23)


@pytest.fixture
def parts(core: Core) -> TracingParts:
    core.clock = core.audit.clock = FixedClock()
    met(core)
    return tracing_parts(core)


@pytest.fixture
def manager(core: Core, parts: TracingParts) -> Scope:
    return an_account(core, Role.MANAGER).scope


def asked(**changes: Any) -> Asked:
    return replace(Asked(community="garden", from_day=DAY, to_day=DAY), **changes)


def column(table: StatTable, place: str) -> list[float | None]:
    at = list(table.places).index(place)
    return [row[at] for row in table.cells]


def test_entries_of_gates_are_scanned_and_counted_bodies(parts: TracingParts, manager: Scope) -> None:
    table = parts.statistics.table(manager, asked())
    assert [column(table, gate) for gate in ("east", "west", "clinic-door")] == [[54], [34], [23]]
    assert (table.row_totals, table.total, table.exact) == ((111,), 111, True)


def test_hours_have_their_own_rows_and_a_filter_by_hour_keeps_some(parts: TracingParts, manager: Scope) -> None:
    table = parts.statistics.table(manager, asked(by="hour", from_hour=12, to_hour=14))
    assert [label[11:16] for label in table.labels] == ["12:00", "13:00"]
    assert column(table, "east") == [42, 12]
    assert table.starts_ms == (NOON_MS, NOON_MS + HOUR_MS)


def test_people_inside_have_bounds_where_an_exit_was_not_seen(parts: TracingParts, manager: Scope) -> None:
    hours = asked(kind="zone", measure="inside", by="hour", places=("clinic",), from_hour=11, to_hour=14)
    table = parts.statistics.table(manager, hours)
    assert table.low is not None
    assert table.high is not None
    assert [row[0] for row in table.low] == [0, pytest.approx(1.7, abs=0.05), pytest.approx(0.8, abs=0.05)]
    assert [row[0] for row in table.high] == [0.5, pytest.approx(2.7, abs=0.05), pytest.approx(1.5, abs=0.05)]


def test_dwell_counts_only_visits_whose_exit_was_seen(parts: TracingParts, manager: Scope) -> None:
    table = parts.statistics.table(manager, asked(kind="zone", measure="dwell", places=("clinic",)))
    assert column(table, "clinic") == [pytest.approx((60 + 70 + 19) / 3, abs=0.05)]


def test_an_official_sees_no_small_cell_and_only_rounded_ones(core: Core, parts: TracingParts) -> None:
    official = an_account(core, Role.OFFICIAL).scope
    table = parts.statistics.table(official, asked(by="hour", from_hour=12, to_hour=14))
    assert not table.exact
    assert column(table, "clinic-door")[0] is None
    shown = [cell for row in table.cells for cell in row if cell is not None]
    assert all(cell % 5 == 0 for cell in shown)
    assert table.hidden_cells >= 4


def test_a_foreign_community_and_a_foreign_gate_are_not_found(core: Core, parts: TracingParts, manager: Scope) -> None:
    small_community(core, "lake", "harbour")
    for question in (asked(community="lake"), asked(places=("north",))):
        with pytest.raises(NotFound):
            parts.statistics.table(manager, question)


def test_a_steward_of_a_grid_sees_its_zones_and_their_gates(core: Core, parts: TracingParts, manager: Scope) -> None:
    with core.db.write() as tx:
        grid = Grid(names={"en": "Clinic grid"}, zones=("clinic",))
        core.registry.record(tx, [Change("garden", "grid", "g1", 0, grid)], "test")
    scope = Scope("a_x", Role.STEWARD, frozenset({"garden"}), grids=frozenset({"g1"}))
    assert list(parts.statistics.table(scope, asked()).places) == ["clinic-door"]
    assert list(parts.statistics.table(scope, asked(kind="zone")).places) == ["clinic"]


def test_zones_without_a_gate_of_their_own_have_no_number(parts: TracingParts, manager: Scope) -> None:
    assert list(parts.statistics.table(manager, asked(kind="zone")).places) == ["clinic", "compound"]


@pytest.mark.parametrize(
    "changes",
    [
        {"to_day": date(2026, 11, 22)},
        {"by": "hour", "from_day": date(2026, 10, 1)},
        {"from_hour": 12, "to_hour": 12},
        {"measure": "inside", "kind": "gate"},
    ],
)
def test_a_question_without_an_answer_is_refused(parts: TracingParts, manager: Scope, changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        parts.statistics.table(manager, asked(**changes))


def test_hours_from_before_are_kept_when_the_rest_is_counted_again(
    core: Core, parts: TracingParts, manager: Scope
) -> None:
    old = HourCount("garden", "gate", "east", NOON_MS - 20 * DAY_MS, entries=99)
    parts.footfall.add([old])
    parts.footfall.rebuild("garden")
    with core.db.write() as tx:
        parts.footfall.touched(tx, "garden", 0)
    wide = asked(from_day=date(2026, 11, 1))
    assert 99 in column(parts.statistics.table(manager, wide), "east")


def test_what_the_fold_changes_is_counted_again_and_a_rebuild_gives_the_same(core: Core) -> None:
    clock = FixedClock()
    core.clock = core.audit.clock = clock
    small_community(core)
    parts = tracing_parts(core)
    kit = FlowKit(core)
    kit.flow = flow_parts(core).flow
    scope = an_account(core, Role.MANAGER).scope
    lin = "p_" + "l" * 12
    kit.fold(scan(NOON_MS, lin), count(NOON_MS + 1000), count(NOON_MS + 2000, 3))
    assert column(parts.statistics.table(scope, asked()), "east") == [1]
    assert column(parts.statistics.table(scope, asked()), "west") == [4]
    kit.fold(scan(NOON_MS - 5 * HOUR_MS, lin, direction="in"), scan(NOON_MS - HOUR_MS, lin, direction="out"))
    hours = asked(kind="zone", measure="inside", by="hour", places=("compound",), from_hour=6, to_hour=12)
    late = parts.statistics.table(scope, hours)
    assert column(late, "compound") == [0, 1, 1, 1, 1, 0]
    assert column(parts.statistics.table(scope, asked()), "east") == [2]
    before = parts.statistics.table(scope, hours)
    parts.footfall.rebuild("garden")
    assert parts.statistics.table(scope, hours).cells == before.cells
    clock.ms += 2 * HOUR_MS
    assert column(
        parts.statistics.table(scope, asked(kind="zone", measure="entries", places=("compound",))), "compound"
    ) == [2]


def test_a_file_that_leaves_the_house_is_in_the_log(core: Core, parts: TracingParts, manager: Scope) -> None:
    parts.statistics.exported(manager, manager.account, asked())
    rows = core.audit.latest(manager, before=None, limit=1)
    assert (rows[0].action, rows[0].detail["exact"]) == ("statistics.export", True)


def broken_reading(core: Core) -> None:
    with core.db.read() as tx:
        rows = tx.exec_driver_sql("SELECT hour_ms FROM flow_hours")
        assert [1 / (row.hour_ms - NOON_MS) for row in rows]


def test_a_reading_that_broke_off_does_not_lock_out_the_next_writer(core: Core, parts: TracingParts) -> None:
    """The error keeps the half-read cursor alive, and with it an old view on the connection it came from."""
    with pytest.raises(ZeroDivisionError) as kept:
        broken_reading(core)
    other = SqlDatabase(core.settings.store_url)
    for database in (other, core.db):
        with database.write() as tx:
            parts.footfall.touched(tx, "garden", NOON_MS)
    other.close()
    assert kept.value is not None
