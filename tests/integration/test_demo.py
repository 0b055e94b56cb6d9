"""The demo through the real ingest and fold: repeatable, exact where it can be, and scored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from community_flow.adapters.sql.tables_flow import passages, visits
from community_flow.adapters.sql.tables_ingest import reports, tray
from community_flow.app import create_app
from community_flow.demo.cast import login_of
from community_flow.demo.places import FULL
from community_flow.demo.plan import Plan
from community_flow.demo.score import Score
from community_flow.domain.admission import EVERYTHING
from community_flow.domain.places import Rule
from community_flow.domain.scope import Role, Scope
from community_flow.settings import Settings
from community_flow.wiring.core import Core
from community_flow.wiring.demo import demo_parts
from community_flow.wiring.demo_score import scores
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.registry import registry_parts
from tests.conftest import prepared
from tests.factories import an_account

SEED = 11


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """A small community with four days of reports."""
    core = prepared(Settings(data_dir=tmp_path_factory.mktemp("demo") / "var", demo=True))
    parts = demo_parts(core)
    parts.folder.keep_plan(Plan(people=80, days=4, seed=SEED, until_ms=core.clock.now_ms()))
    parts.loader.run()
    yield core
    core.db.close()


def counted(core: Core) -> dict[str, int]:
    with core.db.read() as tx:
        return {
            table.name: int(tx.execute(select(func.count()).select_from(table)).scalar_one())
            for table in (reports, passages, visits, tray)
        }


def test_it_loads_to_the_end(loaded: Core) -> None:
    status = demo_parts(loaded).folder.status()
    assert status is not None
    assert (status.stage, status.trouble) == ("done", "")
    assert counted(loaded)["reports"] > 500
    assert counted(loaded)["tray"] == 0, "the simulator speaks the wire without a mistake"


def test_what_was_folded_bit_by_bit_equals_a_rebuild(loaded: Core) -> None:
    assert flow_parts(loaded).flow.check(FULL) == []


def test_loading_again_changes_nothing(loaded: Core) -> None:
    before = counted(loaded)
    folder = demo_parts(loaded).folder
    folder.advance(stage="reports", done=0)  # as after a crash that lost the status
    demo_parts(loaded).loader.run()
    assert counted(loaded) == before


def test_passages_match_the_truth(loaded: Core) -> None:
    [passed] = [each for each in scores(loaded) if each.name == "passages"]
    assert passed.precision is not None
    assert passed.precision > 0.97
    assert passed.recall is not None
    assert passed.recall > 0.9


@pytest.mark.parametrize("kind", ["hold_broken", "visitor_overstay", "ledger_surplus", "impossible_travel"])
def test_what_rules_can_know_they_find(loaded: Core, kind: str) -> None:
    found: dict[str, Score] = {each.name: each for each in scores(loaded)}
    assert kind in found, "the simulator planted none"
    assert found[kind].recall == 1.0


@pytest.fixture
def touring(loaded: Core) -> Iterator[Flask]:
    app = create_app(loaded.settings)
    app.testing = True
    yield app
    app.extensions["flow"].db.close()


def client(app: Flask) -> FlaskClient:
    core: Core = app.extensions["flow"]
    secret = core.accounts.make_token(an_account(core, Role.ADMIN).account, "test", "test")
    made = app.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return made


@pytest.mark.parametrize(
    ("what", "decision", "reason", "passed"),
    [
        ("resident", "allow", "ok", True),
        ("forged", "stop", "forged", False),
        ("revoked", "stop", "revoked", False),
        ("courier", "allow", "ok", True),
    ],
)
def test_the_tour_decides_as_the_gate_does(touring: Flask, what: str, decision: str, reason: str, passed: bool) -> None:
    answer = client(touring).post("/demo/present", json={"what": what}).json
    assert answer
    assert (answer["decision"], answer["reason"], answer["report"]["passed"]) == (decision, reason, passed)
    assert set(answer["sentences"]) == {"zh", "en"}


def test_the_tour_goes_by_the_rules_of_now(touring: Flask) -> None:
    core: Core = touring.extensions["flow"]
    rules, office = registry_parts(core).rules, Scope.system({FULL})
    before = rules.book(office, FULL).types.get("resident", EVERYTHING)
    rules.set_type(office, FULL, "resident", Rule(gates=()))
    try:
        answer = client(touring).post("/demo/present", json={"what": "resident"}).json
    finally:
        rules.set_type(office, FULL, "resident", before)
    assert answer
    assert (answer["decision"], answer["reason"]) in (("check", "wrong_gate"), ("allow", "ok"))
    assert (answer["report"]["direction"], answer["decision"]) in (("in", "check"), ("out", "allow"))


def test_the_tour_reports_over_the_real_route(touring: Flask) -> None:
    browser = client(touring)
    card = browser.post("/demo/present", json={"what": "resident"}).json
    devices = browser.post("/demo/devices", json={}).json
    assert card
    assert devices
    now_ms = touring.extensions["flow"].clock.now_ms()
    report = {**card["report"], "boot": 5, "seq": 1, "at": now_ms, "skew_ms": 0}
    answer = touring.test_client().post(
        "/v1/reports", json={"batch": "t", "reports": [report]},
        headers={"Authorization": f"Bearer {devices['phone']['token']}"},
    )  # fmt: skip
    assert answer.status_code == 200
    assert answer.json
    assert answer.json["results"][0]["outcome"] == "accepted"


def test_the_tour_answers_this_machine_only(touring: Flask) -> None:
    stranger = client(touring)
    stranger.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    for path in ("/demo/present", "/demo/devices", "/demo/as/official", "/demo/case"):
        assert stranger.post(path, json={"what": "resident"}).status_code == 404


def test_there_is_no_tour_without_the_demo(app: Flask) -> None:
    assert not [rule.rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/demo")]


def test_the_planted_case_opens_and_the_look_is_in_the_log(touring: Flask) -> None:
    browser = touring.test_client()
    core: Core = touring.extensions["flow"]
    browser.environ_base["HTTP_AUTHORIZATION"] = client(touring).environ_base["HTTP_AUTHORIZATION"]
    answer = browser.post("/demo/case", json={})
    assert answer.status_code == 302
    del browser.environ_base["HTTP_AUTHORIZATION"]
    assert browser.get(answer.headers["Location"]).status_code == 200
    person = core.accounts.by_login(login_of("resident")).person
    seen = core.audit.latest(Scope("a_r", Role.RESIDENT, frozenset({FULL}), person=person), before=None, limit=50)
    assert any(row.action == "case.look" for row in seen), "the resident of the tour finds the look in the log"


def test_truth_lies_beside_the_data(loaded: Core) -> None:
    assert Path(loaded.settings.data_dir / "demo" / "truth.json").stat().st_size > 10_000
