"""The demo goes in through the real ingest and fold, survives a crash, and is what the truth says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from community_flow.demo import cast
from community_flow.demo.places import FULL, SMALL
from community_flow.demo.plan import HOUR_MS, Plan
from community_flow.domain.scope import Role, Scope
from community_flow.ports.flow import RowQuery
from community_flow.ports.ingest import Receipt, Trusted
from community_flow.services.ingest import Ingest
from community_flow.settings import Settings
from community_flow.wiring.core import Core
from community_flow.wiring.demo import demo_parts
from community_flow.wiring.demo_score import scores
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.ingest import ingest_parts
from community_flow.wiring.tracing import tracing_parts
from tests.conftest import prepared

SEED = 11


def planned(core: Core, **changes: Any) -> Plan:
    plan = Plan(**{"people": 60, "days": 3, "seed": SEED, "until_ms": core.clock.now_ms()} | changes)
    demo_parts(core).folder.keep_plan(plan)
    return plan


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    core = prepared(Settings(data_dir=tmp_path_factory.mktemp("demo") / "var"))
    planned(core)
    demo_parts(core).loader.run()
    status = demo_parts(core).folder.status()
    assert status is not None
    assert status.stage == "done", f"seed {SEED}: {status.trouble}"
    yield core
    core.db.close()


def truth(core: Core) -> dict[str, Any]:
    found = demo_parts(core).folder.truth()
    assert found is not None
    return found


def fingerprint(core: Core) -> dict[str, tuple[int, str]]:
    with core.db.read() as tx:
        return flow_parts(core).flow.fingerprint(tx, FULL)


def test_every_report_is_kept_once_and_nothing_lies_in_the_tray(loaded: Core) -> None:
    numbers = {
        (batch.device, report.fields["boot"], report.fields["seq"])
        for batch in _world(loaded).batches
        for report in batch.reports
    }
    with loaded.db.read() as tx:
        kept = tx.exec_driver_sql("SELECT count(*) FROM reports").scalar()
        tray = tx.exec_driver_sql("SELECT count(*) FROM tray").scalar()
        dirty = tx.exec_driver_sql("SELECT count(*) FROM dirty").scalar()
    assert (kept, tray, dirty) == (len(numbers), 0, 0)


def test_every_device_that_reported_was_heard_and_none_contradicts_itself(loaded: Core) -> None:
    world = _world(loaded)
    reported = {world.devices[batch.device].id for batch in world.batches}
    everything = Scope("m", Role.MANAGER, frozenset({FULL, SMALL}))
    states = {each.device: each.state for each in ingest_parts(loaded).devices.list(everything)}
    assert reported <= set(states)
    assert {device: states[device] for device in reported if states[device] not in ("ok", "late", "skewed")} == {}


def _world(core: Core) -> Any:
    from community_flow.demo.simulator import simulate

    plan = demo_parts(core).folder.plan()
    assert plan is not None
    return simulate(plan)


def test_what_was_folded_on_the_way_is_what_a_rebuild_gives(loaded: Core) -> None:
    for community in (FULL, SMALL):
        assert flow_parts(loaded).flow.check(community) == []


def test_codes_and_cards_were_proven_and_not_just_believed(loaded: Core) -> None:
    with loaded.db.read() as tx:
        query = "SELECT method, min(assurance), max(assurance) FROM reports WHERE kind = 'scan' GROUP BY method"
        found = {method: (least, most) for method, least, most in tx.exec_driver_sql(query)}
    assert found["card"] == (1, 1)
    assert found["rotating"] == (2, 2)
    assert found["tag"] == (0, 0)


def test_most_true_passages_are_found_and_hardly_any_other(loaded: Core) -> None:
    passages = next(each for each in scores(loaded) if each.name == "passages")
    assert passages.recall is not None
    assert passages.precision is not None
    assert passages.recall > 0.9, f"seed {SEED}"
    assert passages.precision > 0.97, f"seed {SEED}"


def test_a_broken_hold_is_found(loaded: Core) -> None:
    broken = next(each for each in scores(loaded) if each.name == "hold_broken")
    assert broken.true >= 1
    assert broken.recall == 1, f"seed {SEED}"


def test_a_second_run_changes_nothing(loaded: Core) -> None:
    before = fingerprint(loaded)
    demo_parts(loaded).loader.run()
    assert fingerprint(loaded) == before


def test_the_truth_lies_beside_the_data_and_only_its_owner_can_read_it(loaded: Core) -> None:
    path = demo_parts(loaded).folder.path / "truth.json"
    assert json.loads(path.read_text("utf-8"))["plan"]["people"] == 60
    assert os.stat(path).st_mode & 0o077 == 0


def test_an_order_is_in_force_and_everybody_of_the_tour_is_there(loaded: Core) -> None:
    scope = Scope.system({FULL, SMALL})
    assert tracing_parts(loaded).orders.numbers_in_force(scope) == [cast.ORDER_NUMBER]
    roles = {account.role for account in loaded.accounts.list(scope) if account.login.startswith("demo-")}
    assert roles == {Role.GUARD, Role.STEWARD, Role.MANAGER, Role.OFFICIAL, Role.RESIDENT}
    assert all(account.password_hash is None for account in loaded.accounts.list(scope))


def test_people_inside_are_those_of_the_last_head_count_and_of_what_passed_since(loaded: Core) -> None:
    """Three and nine hours after a head count; most of those counted had never been seen at a gate before."""
    plan = demo_parts(loaded).folder.plan()
    assert plan is not None
    for row in truth(loaded)["inside"]:
        if row["t_ms"] - plan.from_ms in (6 * HOUR_MS, 12 * HOUR_MS):
            zones = flow_parts(loaded).passages.occupancy_of(
                Scope.system({FULL}), FULL, "compound", as_of_ms=row["t_ms"]
            )
            assert abs(zones[0].inside - row["inside"]) <= 5, f"seed {SEED}: {zones[0]} but truly {row}"


def test_a_crash_in_the_middle_is_mended_by_starting_again(sqlite_core: Core, loaded: Core) -> None:
    """The process dies after some batches, in the middle of one: the same plan gives the same tables."""
    core, plan = sqlite_core, demo_parts(loaded).folder.plan()
    assert plan is not None
    demo_parts(core).folder.keep_plan(plan)
    parts = demo_parts(core)
    crashing = replace(parts.loader, ingest=DiesAfter(ingest_parts(core).ingest, 3))
    with pytest.raises(PowerCut):
        crashing.run()
    status = parts.folder.status()
    assert status is not None
    assert status.stage == "reports"
    assert 0 < status.done < status.total
    parts.loader.run()
    status = parts.folder.status()
    assert status is not None
    assert (status.stage, status.done) == ("done", status.total)
    counts = {name: rows for name, (rows, _) in fingerprint(core).items()}
    assert counts == {name: rows for name, (rows, _) in fingerprint(loaded).items()}


class PowerCut(BaseException):
    """The process is gone: nothing may catch this."""


class DiesAfter(Ingest):
    """An ingest that keeps so many bodies and then is gone, after it kept one whose answer nobody got."""

    def __init__(self, ingest: Ingest, bodies: int) -> None:
        self.ingest, self.left = ingest, bodies

    def accept(self, device: Trusted, body: bytes) -> Receipt:
        answer = self.ingest.accept(device, body)
        self.left -= 1
        if self.left < 0:
            raise PowerCut
        return answer


def test_a_community_without_history(sqlite_core: Core) -> None:
    planned(sqlite_core, days=0)
    demo_parts(sqlite_core).loader.run()
    status = demo_parts(sqlite_core).folder.status()
    assert status is not None
    assert (status.stage, status.total) == ("done", 0)
    found = flow_parts(sqlite_core).passages.passages(Scope.system({FULL}), RowQuery(limit=5))
    assert found == []
    with sqlite_core.db.read() as tx:
        assert set(sqlite_core.registry.communities(tx, Scope.system({FULL, SMALL}))) == {FULL, SMALL}


def test_it_is_not_mixed_with_real_communities(sqlite_core: Core) -> None:
    from tests.factories import small_community

    small_community(sqlite_core)
    planned(sqlite_core)
    demo_parts(sqlite_core).loader.run()
    status = demo_parts(sqlite_core).folder.status()
    assert status is not None
    assert status.stage == "failed"
    assert "FLOW_DATA_DIR" in status.trouble
