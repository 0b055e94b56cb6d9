"""Orders, cases, statistics and reports over HTTP, as each role."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from community_flow.domain.csv import intact
from community_flow.domain.scope import Role
from community_flow.wiring.core import Core
from tests.factories import an_account, small_community
from tests.fakes_tracing import DAY_MS, HE, HOUR_MS, LIN, NOON_MS, ZHOU, FixedClock, met

ORDER = {
    "number": "44", "basis": "Law on infectious diseases, art. 39", "area": "district", "from_ms": NOON_MS - DAY_MS,
    "until_ms": NOON_MS + 20 * DAY_MS,
}  # fmt: skip
CASE = {
    "community": "garden", "purpose": "measles", "person": LIN, "from_ms": NOON_MS - DAY_MS,
    "to_ms": NOON_MS + 12 * HOUR_MS,
}  # fmt: skip
Clients = Callable[..., FlaskClient]


@pytest.fixture
def app(app_factory: Callable[..., Flask]) -> Flask:
    app = app_factory(clock=FixedClock())
    met(app.extensions["flow"])
    return app


@pytest.fixture
def official(client_as: Clients) -> FlaskClient:
    client = client_as("official")
    assert client.post("/v1/orders", json=ORDER).status_code == 201
    return client


@pytest.fixture
def case(official: FlaskClient) -> str:
    return str(official.post("/v1/cases", json=CASE).json["case"])  # type: ignore[index]


def body(client: FlaskClient, path: str, **query: Any) -> Any:
    answer = client.get(path, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def signed_in(app: Flask, role: str, **account: Any) -> FlaskClient:
    """A browser with a session instead of a token."""
    core: Core = app.extensions["flow"]
    who = an_account(core, Role(role), **account)
    client = app.test_client()
    with client.session_transaction() as session:
        session["account"], session["epoch"] = who.account.account, who.account.epoch
    return client


@pytest.mark.parametrize(
    ("path", "open_to"),
    [
        ("/cases", {"official", "manager", "steward"}),
        ("/cases/new", {"official"}),
        ("/v1/cases", {"official"}),
        ("/v1/orders", {"official", "manager", "steward"}),
        ("/statistics", {"official", "manager", "steward"}),
        ("/v1/statistics", {"official", "manager", "steward"}),
        ("/statistics.csv", {"official", "manager", "steward"}),
        ("/statistics.xlsx", {"official", "manager", "steward"}),
        ("/reports", {"official", "manager", "steward"}),
        ("/reports/2026-11-23", {"official", "manager", "steward"}),
    ],
)
@pytest.mark.parametrize("role", ["official", "manager", "steward", "guard", "admin", "resident"])
def test_each_page_is_for_its_roles(client_as: Clients, role: str, path: str, open_to: set[str]) -> None:
    who = {"person": ZHOU} if role == "resident" else {}
    assert client_as(role, **who).get(path).status_code == (200 if role in open_to else 403)


def test_pages_ask_a_stranger_to_sign_in(app: Flask) -> None:
    stranger = app.test_client()
    assert stranger.get("/cases").status_code == 302
    assert stranger.get("/v1/cases").status_code == 401


def test_an_official_without_an_order_is_refused_with_the_remedy(client_as: Clients) -> None:
    answer = client_as("official").post("/v1/cases", json=CASE)
    assert answer.status_code == 403
    assert answer.content_type == "application/problem+json"
    assert "Record the order first" in answer.json["title"]  # type: ignore[index]


def test_a_case_gives_ranked_candidates_and_says_what_the_compound_would_give(official: FlaskClient, case: str) -> None:
    found = body(official, f"/v1/cases/{case}")
    assert [each["rank"] for each in found["contacts"]] == [1, 2, 3, 4]
    assert {each["status"] for each in found["contacts"]} == {"candidate"}
    assert (found["total"], found["compound_total"]) == (4, 4)
    assert all(each["identity"] is None for each in found["contacts"])
    assert all(each["person"].startswith("P-") for each in found["contacts"])
    assert [stay["zone"] for stay in found["itinerary"]] == ["compound", "clinic"]
    assert LIN not in str(found)
    assert ZHOU not in str(found)


def test_the_case_page_shows_order_purpose_and_expiry(official: FlaskClient, case: str) -> None:
    page = official.get(f"/cases/{case}").text
    for text in ("This look is logged", "measles", "44 of District CDC", "2026-12-13", "The whole compound would give"):
        assert text in page
    assert "林晓梅" not in page


def test_the_resident_reads_that_very_look(official: FlaskClient, client_as: Clients, case: str) -> None:
    official.get(f"/cases/{case}")
    rows = body(client_as("resident", person=ZHOU), "/v1/audit")["items"]
    assert [row["action"] for row in rows] == ["case.look"]
    assert (rows[0]["subject"], rows[0]["purpose"]) == (case, "measles")


def test_identities_open_with_a_second_official_and_the_manager_is_told(
    official: FlaskClient, client_as: Clients, case: str
) -> None:
    first = body(official, f"/v1/cases/{case}")["contacts"][0]["person"]
    asked = official.post(f"/v1/cases/{case}/openings", json={"pseudonyms": [first], "reason": "to call"}).json
    answer = f"/v1/cases/{case}/openings/{asked['opening']}"  # type: ignore[index]
    assert official.post(answer, json={"agree": True}).status_code == 403
    assert client_as("official", authority="Other").post(answer, json={"agree": True}).status_code == 404
    assert client_as("official").post(answer, json={"agree": True}).json["state"] == "agreed"  # type: ignore[index]
    contacts = body(official, f"/v1/cases/{case}")["contacts"]
    assert [each["identity"]["name"] for each in contacts if each["identity"]] == ["王强"]
    page = client_as("manager").get("/cases").text
    assert "Identities were opened" in page
    assert "to call" in page


def test_statuses_are_decided_by_the_official(official: FlaskClient, case: str) -> None:
    first = body(official, f"/v1/cases/{case}")["contacts"][0]["person"]
    decided = official.post(f"/v1/cases/{case}/decisions", json={"pseudonym": first, "status": "contact"})
    assert decided.status_code == 200
    assert body(official, f"/v1/cases/{case}")["contacts"][0]["status"] == "contact"
    wrong = official.post(f"/v1/cases/{case}/decisions", json={"pseudonym": first, "status": "guilty"})
    assert wrong.status_code == 422


def test_files_of_a_case_are_whole_and_hold_pseudonyms(official: FlaskClient, case: str) -> None:
    for name, rows in (("contacts", 4), ("itinerary", 2)):
        answer = official.get(f"/cases/{case}/{name}.csv")
        assert intact(answer.data)
        assert int(answer.headers["X-Row-Count"]) >= rows
        assert "林晓梅" not in answer.text


@pytest.mark.parametrize("method", ["get", "post"])
def test_foreign_and_unknown_cases_are_not_found(
    official: FlaskClient, client_as: Clients, case: str, method: str
) -> None:
    stranger = client_as("official", authority="Other bureau")
    paths = [f"/v1/cases/{case}", "/v1/cases/c_nothing"]
    if method == "post":
        paths = [f"{path}/decisions" for path in paths]
    for path in paths:
        call = getattr(stranger, method)
        assert (
            call(path, **({"json": {"pseudonym": "P", "status": "contact"}} if method == "post" else {})).status_code
            == 404
        )


def test_a_foreign_community_is_not_found(app: Flask, client_as: Clients) -> None:
    small_community(app.extensions["flow"], "lake", "harbour")
    manager = client_as("manager")
    for path in ("/v1/statistics", "/statistics", "/statistics.csv", "/reports", "/reports/2026-11-23"):
        assert manager.get(path, query_string={"community": "lake"}).status_code == 404, path


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/v1/orders", {**ORDER, "until_ms": NOON_MS + 90 * DAY_MS}),
        ("/v1/orders", {**ORDER, "until_ms": "soon"}),
        ("/v1/orders", {}),
        ("/v1/orders", {**ORDER, "from_ms": None, "from_day": "yesterday"}),
        ("/v1/cases", {**CASE, "to_ms": 10**30}),
        ("/v1/cases", {**CASE, "least_min": float("nan")}),
        ("/v1/cases", {**CASE, "kinds": ["cellar"]}),
        ("/v1/cases", {**CASE, "kinds": "room"}),
        ("/v1/cases", {**CASE, "purpose": ""}),
        ("/v1/cases", []),
    ],
)
def test_what_cannot_be_is_refused_in_words(official: FlaskClient, path: str, wrong: Any) -> None:
    answer = official.post(path, json=wrong)
    assert answer.status_code == 422
    assert answer.json["title"]  # type: ignore[index]


def test_malformed_json_is_refused(official: FlaskClient) -> None:
    answer = official.post("/v1/cases", data=b"{", content_type="application/json")
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        {"by": "minute"}, {"from_day": "2026-13-01"}, {"from_day": "2026-11-24", "to_day": "2026-11-01"},
        {"measure": "inside", "kind": "gate"}, {"from_hour": "25"}, {"by": "hour", "from_day": "2020-01-01"},
        {"from_day": "0001-01-01"}, {"to_day": "9999-12-31"},
    ],
)  # fmt: skip
def test_statistics_refuse_a_question_without_an_answer(client_as: Clients, query: dict[str, str]) -> None:
    manager = client_as("manager")
    assert manager.get("/v1/statistics", query_string=query).status_code == 422
    assert manager.get("/statistics", query_string=query).status_code == 422


def test_statistics_are_exact_for_the_manager_and_suppressed_for_the_official(client_as: Clients) -> None:
    query = {"from_day": "2026-11-23", "to_day": "2026-11-23", "by": "hour", "from_hour": 12, "to_hour": 14}
    exact, free = (body(client_as(role), "/v1/statistics", **query) for role in ("manager", "official"))
    assert (exact["exact"], exact["items"][0]["values"]["clinic-door"]) == (True, 3)
    assert (free["exact"], free["items"][0]["values"]["clinic-door"], free["rounded_to"]) == (False, None, 5)
    page = client_as("official").get("/statistics", query_string=query).text
    assert "Cells of 1 to 7 people are hidden" in page
    assert "Exact" not in page


def test_a_statistics_file_is_whole_and_says_what_is_hidden(client_as: Clients) -> None:
    query = {"from_day": "2026-11-23", "to_day": "2026-11-23", "by": "hour"}
    answer = client_as("official").get("/statistics.csv", query_string=query)
    assert intact(answer.data)
    assert "hidden" in answer.text
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_a_workbook_holds_text_as_text(app: Flask, client_as: Clients) -> None:
    from openpyxl import load_workbook

    query = {"from_day": "2026-11-23", "to_day": "2026-11-23"}
    answer = client_as("manager").get("/statistics.xlsx", query_string=query)
    book = load_workbook(io.BytesIO(answer.data))
    assert book["Data"]["A2"].value == "2026-11-23"
    assert {cell.data_type for row in book["Data"].iter_rows() for cell in row} <= {"s", "n"}
    assert book["About"]["B1"].value == int(answer.headers["X-Row-Count"])


def test_the_mode_is_in_the_header_of_every_page(official: FlaskClient, client_as: Clients) -> None:
    for role, path in (("official", "/cases"), ("manager", "/statistics"), ("steward", "/reports")):
        assert "Under order 44" in client_as(role).get(path).text
    order = body(official, "/v1/orders")["items"][0]["order"]
    assert official.post(f"/v1/orders/{order}/end").json["in_force"] is False  # type: ignore[index]
    assert "Everyday" in client_as("manager").get("/statistics").text


def test_forms_work_from_a_browser(app: Flask) -> None:
    client = signed_in(app, "official")
    token = re.search(r'name="csrf" content="([^"]+)"', client.get("/cases").text)
    assert token is not None
    client.environ_base["HTTP_X_CSRFTOKEN"] = token[1]
    form = {"number": "45", "basis": "art. 39", "area": "district", "from_day": "2026-11-20", "until_day": "2026-12-01"}
    assert client.post("/orders", data=form).status_code == 302
    assert client.post("/orders", data={**form, "until_day": "2027-12-01"}).status_code == 422
    page = client.get("/cases/new").text
    assert 'name="kinds" value="compound"' in page
    wanted = {
        "community": "garden", "name": "林晓梅", "unit": "1-1-101", "purpose": "measles", "from_at": "2026-11-23T00:00",
        "to_at": "2026-11-23T23:00", "least_min": "15", "queue_s": "30", "kinds": ["room", "household"],
    }  # fmt: skip
    assert client.post("/cases", data={**wanted, "unit": "9-9-999"}).status_code == 422
    made = client.post("/cases", data=wanted)
    assert made.status_code == 302
    assert "Candidate contact" in client.get(made.location).text


def test_a_session_without_csrf_token_changes_nothing(app: Flask) -> None:
    client = signed_in(app, "official")
    assert client.post("/v1/orders", json=ORDER).status_code == 400
    assert body(client, "/v1/orders")["items"] == []


def test_the_queue_at_a_gate_is_a_contact_of_seconds(official: FlaskClient, case: str) -> None:
    found = body(official, f"/v1/cases/{case}")["contacts"][-1]
    assert [(each["kind"], each["possible_ms"]) for each in found["exposures"]] == [("queue", 20_000)]
    assert HE not in str(found)


def test_the_command_line_traces_under_the_same_rules(app: Flask, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from community_flow.commands import main

    core: Core = app.extensions["flow"]
    monkeypatch.setenv("FLOW_DATA_DIR", str(core.settings.data_dir))
    stranger = an_account(core, Role.OFFICIAL, authority="Other", login="stranger")
    refused = CliRunner().invoke(main, ["trace", "show", "--as", stranger.account.login, case])
    assert refused.exit_code == 1
    assert "no such case" in refused.output


def test_an_export_from_the_command_line_is_checked_by_its_last_line(
    app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from click.testing import CliRunner

    from community_flow.commands import main

    core: Core = app.extensions["flow"]
    monkeypatch.setenv("FLOW_DATA_DIR", str(core.settings.data_dir))
    an_account(core, Role.MANAGER, login="boss")
    out = tmp_path / "east.csv"
    made = CliRunner().invoke(
        main, ["export", "statistics", "--as", "boss", "--community", "garden", "--out", str(out)]
    )
    assert made.exit_code == 0, made.output
    assert CliRunner().invoke(main, ["export", "check", str(out)]).exit_code == 0
    out.write_bytes(out.read_bytes().replace(b"2026", b"2025", 1))
    assert CliRunner().invoke(main, ["export", "check", str(out)]).exit_code == 1
