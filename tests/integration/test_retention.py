"""Retention deletes what is behind the horizon and changes nothing before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from community_flow.adapters.sql.queries_requests import SqlRequests
from community_flow.adapters.sql.queries_retention import SqlRetention
from community_flow.adapters.sql.tables_cases import footfall_hourly
from community_flow.adapters.sql.tables_flow import attempts, conflicts, passages, visits
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.adapters.sql.tables_retention import checkpoints
from community_flow.demo.places import FULL
from community_flow.demo.plan import Plan
from community_flow.domain.local_days import DAY_MS
from community_flow.domain.passages import key_at
from community_flow.domain.scope import Scope
from community_flow.ports.requests import DataRequest
from community_flow.services.retention import REQUEST_DAYS, Cleared, Retention
from community_flow.settings import Settings
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.demo import demo_parts
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.tracing import tracing_parts
from tests.conftest import prepared
from tests.stores import another_database, copied

KEPT_DAYS = 2
SEED = 3


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def six_days(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Six days of a small community, on either store: to be copied."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("retention") / "var", demo=True)
    with ExitStack() as stack:
        if request.param == "postgresql":
            url = stack.enter_context(another_database(request.getfixturevalue("postgresql_url")))
            settings = replace(settings, database_url=url)
        core = prepared(settings)
        parts = demo_parts(core)
        parts.folder.keep_plan(Plan(people=40, days=6, seed=SEED, until_ms=core.clock.now_ms()))
        parts.loader.run()
        core.db.close()
        yield settings


@pytest.fixture
def loaded(six_days: Settings, tmp_path: Path) -> Iterator[Core]:
    """A copy of them that a test may change."""
    with copied(six_days, tmp_path / "var") as settings:
        core = build_core(settings)
        yield core
        core.db.close()


def retention(core: Core, days: int = KEPT_DAYS) -> Retention:
    count = tracing_parts(core).footfall.refresh
    flow = flow_parts(core).flow
    return Retention(core.db, SqlRetention(), flow, lambda tx, name: days, count, core.audit, core.clock)


def derived(core: Core, from_ms: int) -> dict[str, list[Any]]:
    """Everything derived that begins at or after a moment."""
    found = {}
    with core.db.read() as tx:
        for table in (passages, attempts, visits, conflicts):
            rows = tx.execute(
                select(table).where(table.c.community == FULL, table.c.key >= key_at(from_ms)).order_by(table.c.key)
            )
            found[table.name] = [tuple(row) for row in rows]
    return found


def oldest_ms(core: Core) -> int:
    anchors = select(checkpoints.c.seq).where(
        checkpoints.c.device == reports.c.device,
        checkpoints.c.boot == reports.c.boot,
        checkpoints.c.seq == reports.c.seq,
    )
    with core.db.read() as tx:
        query = select(func.min(reports.c.t_ms)).where(reports.c.community == FULL, ~anchors.exists())
        return int(tx.execute(query).scalar_one())


def test_what_is_within_the_horizon_stays_as_it_was(loaded: Core) -> None:
    probe = retention(loaded)
    with loaded.db.read() as tx:
        horizon_ms = probe._horizon_ms(tx, FULL)
    before = derived(loaded, horizon_ms)
    assert before["passages"], "the days kept have passages"
    cleared = probe.run(FULL)
    assert cleared.reports > 0
    assert cleared.horizon_ms == horizon_ms
    after = derived(loaded, horizon_ms)
    for table, rows in before.items():
        assert after[table] == rows, f"{table} changed"


def test_what_is_behind_it_is_gone_but_for_last_passages(loaded: Core) -> None:
    cleared = retention(loaded).run(FULL)
    assert oldest_ms(loaded) >= cleared.horizon_ms
    with loaded.db.read() as tx:
        old = select(passages.c.subject).where(
            passages.c.community == FULL, passages.c.key < key_at(cleared.horizon_ms)
        )
        subjects = list(tx.execute(old).scalars())
    assert len(subjects) == len(set(subjects)) == cleared.checkpoints


def test_the_rest_still_equals_its_rebuild(loaded: Core) -> None:
    retention(loaded).run(FULL)
    assert flow_parts(loaded).flow.check(FULL) == []


def test_running_it_again_deletes_nothing_more(loaded: Core) -> None:
    retention(loaded).run(FULL)
    again: Cleared = retention(loaded).run(FULL)
    assert again.reports == 0


def test_hours_without_persons_outlive_the_reports(loaded: Core) -> None:
    def hours() -> dict[tuple[str, str, int], tuple[int, int]]:
        with loaded.db.write() as tx:
            tracing_parts(loaded).footfall.refresh(tx, FULL)
            rows = tx.execute(select(footfall_hourly).where(footfall_hourly.c.community == FULL)).all()
        return {(row.kind, row.place, row.hour_ms): (row.entries, row.exits) for row in rows if row.kind == "gate"}

    before = hours()
    cleared = retention(loaded).run(FULL)
    tracing_parts(loaded).footfall.rebuild(FULL)
    after = hours()
    old = {key for key in before if key[2] < cleared.horizon_ms}
    assert old, "there were hours behind the horizon"
    assert {key: after.get(key) for key in old} == {key: before[key] for key in old}


def test_requests_go_two_years_after_their_answer(loaded: Core) -> None:
    store, now_ms = SqlRequests(), loaded.clock.now_ms()
    at_ms = {"old": now_ms - (REQUEST_DAYS + 1) * DAY_MS, "young": now_ms - (REQUEST_DAYS - 1) * DAY_MS}

    def request(name: str, sent: str, **more: Any) -> DataRequest:
        return DataRequest(
            request=name, community=FULL, person="p_aaaaaaaaaaaa", kind="copy", text="", sent_ms=at_ms[sent], **more
        )

    with loaded.db.write() as tx:
        for name, answered in (("gone", "old"), ("answered later", "young")):
            store.add(tx, request(name, "old", state="done", answer="ok", settled_ms=at_ms[answered]))
        store.add(tx, request("open", "old"))
    retention(loaded).run(FULL)
    with loaded.db.read() as tx:
        left = store.rows(tx, Scope.system({FULL}), states=("open", "done", "refused"))
    assert {each.request for each in left} == {"answered later", "open"}


def test_it_runs_once_a_day(loaded: Core) -> None:
    keeper = retention(loaded)
    assert [len(keeper.due([FULL])), len(keeper.due([FULL]))] == [1, 0]


def test_an_order_keeps_more(loaded: Core) -> None:
    assert retention(loaded, days=21).run(FULL).reports == 0


def test_it_is_in_the_log(loaded: Core) -> None:
    retention(loaded).run(FULL)
    assert loaded.audit.verify().broken_at is None
