"""The managers' page of rules: who may, what is refused and why, what is logged, and what a gate would say."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from community_flow.domain import passes as cf1
from community_flow.domain.residents import Resident
from community_flow.wiring.core import Core
from community_flow.wiring.registry import RegistryParts
from tests.registry_parts import ADMIN

Clients = Callable[..., FlaskClient]
DAY = datetime.now(ZoneInfo("Asia/Shanghai")).date() + timedelta(days=2)
"""A day that is not over: what a test registers now is good then."""
NOON = f"{DAY}T12:00"


def rules(client: FlaskClient) -> dict[str, Any]:
    [found] = client.get("/v1/rules?community=garden").get_json()["items"]
    assert isinstance(found, dict)
    return found


def tried(client: FlaskClient, **given: Any) -> tuple[str, str]:
    answer = client.post("/v1/rules/garden/try", json={"gate": "east", "at": NOON} | given)
    assert answer.status_code == 200, answer.get_json()
    found = answer.get_json()
    assert found["zh"]
    assert found["en"]
    return found["decision"], found["reason"]


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("types/worker", {"gates": ["east"], "hours": "08:00-18:00"}),
    ("gates/east", {"hours": "06:00-22:00"}),
    ("quota", {"quota": 2}),
    ("households", {"unit": "7-3-1102", "quota": 1}),
    ("try", {"gate": "east"}),
]


def test_only_the_office_of_the_community_keeps_rules(
    client_as: Clients, manager: FlaskClient, parts: RegistryParts
) -> None:
    parts.people.add(ADMIN, "garden", Resident(name="林晓梅", unit="7-3-1102"))
    strangers = [(client_as(role), 403) for role in ("guard", "steward", "official")]
    strangers += [(client_as("manager", communities=["court"]), 404)]
    before = rules(manager)
    for path, body in CHANGES:
        for client, status in strangers:
            assert client.post(f"/v1/rules/garden/{path}", json=body).status_code == status, path
        assert rules(manager) == before
    for path, body in CHANGES:
        assert manager.post(f"/v1/rules/garden/{path}", json=body).status_code == 200, path


def test_a_type_is_good_at_its_gates_and_hours(manager: FlaskClient) -> None:
    assert tried(manager, type="worker") == ("allow", "ok")
    manager.post("/v1/rules/garden/types/worker", json={"gates": ["west"]})
    assert tried(manager, type="worker") == ("check", "wrong_gate")
    assert tried(manager, type="worker", gate="west") == ("allow", "ok")
    assert tried(manager, type="worker", direction="out") == ("allow", "ok")
    assert tried(manager, type="resident") == ("allow", "ok")
    manager.post("/v1/rules/garden/types/worker", json={"every": True, "hours": "8:00-11:30，13:00～18:00"})
    assert rules(manager)["types"]["worker"] == {"gates": None, "windows": [["08:00", "11:30"], ["13:00", "18:00"]]}
    assert tried(manager, type="worker") == ("check", "time_window")
    assert tried(manager, type="worker", at=f"{DAY}T13:00") == ("allow", "ok")
    manager.post("/v1/rules/garden/types/worker", json={"every": False, "gates": []})
    assert tried(manager, type="worker", at=f"{DAY}T13:00") == ("check", "wrong_gate")


MONDAY = "2026-11-23T"


@pytest.mark.parametrize(("said", "kept"), [
    ("Mon-Fri 08:00-18:00", [["08:00", "18:00", "12345"]]),
    ("周一至周五 8:00-18:00", [["08:00", "18:00", "12345"]]),
    ("Sat, Sun 09:00-12:00, 20:00-21:00", [["09:00", "12:00", "67"], ["20:00", "21:00"]]),
    ("周六、日 09:00～12:00；工作日 07:00到09:00", [["09:00", "12:00", "67"], ["07:00", "09:00", "12345"]]),
    ("saturday - monday 22:00-06:00", [["22:00", "06:00", "167"]]),
    ("Mon/Wed/Fri 00:00-24:00", [["00:00", "24:00", "135"]]),
    ("daily 08:00-18:00", [["08:00", "18:00"]]),
])  # fmt: skip
def test_hours_may_name_their_days(manager: FlaskClient, said: str, kept: list[list[str]]) -> None:
    manager.post("/v1/rules/garden/types/worker", json={"every": True, "hours": said})
    assert rules(manager)["types"]["worker"]["windows"] == kept


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_says_days_in_words_that_its_field_takes_back(manager: FlaskClient, language: str) -> None:
    hours = "Mon-Wed 08:00-12:00, Sat, Sun 09:00-12:00, 20:00-21:00"
    manager.post("/v1/rules/garden/types/worker", json={"every": True, "hours": hours})
    before = rules(manager)["types"]["worker"]["windows"]
    with manager.session_transaction() as kept:
        kept["language"] = language
    page = manager.get("/rules").get_data(as_text=True)
    [shown] = re.findall(r'id="ty-hours-worker"[^>]*value="([^"]*)"|value="([^"]*)"[^>]*id="ty-hours-worker"', page)
    assert ("周一至周三" if language == "zh" else "Mon–Wed") in max(shown)
    manager.post("/v1/rules/garden/types/worker", json={"every": True, "hours": max(shown)})
    assert rules(manager)["types"]["worker"]["windows"] == before


def test_a_gate_has_hours_and_a_way_with_those_inside_already(manager: FlaskClient) -> None:
    manager.post("/v1/rules/garden/gates/east", json={"hours": "06:00-11:00", "passback": "hard"})
    assert tried(manager) == ("check", "time_window")
    assert tried(manager, direction="out") == ("allow", "ok")
    assert tried(manager, at=f"{DAY}T06:00", inside=True) == ("check", "already_inside")
    manager.post("/v1/rules/garden/gates/east", json={"passback": "soft"})
    assert tried(manager, inside=True) == ("allow", "already_inside")
    assert tried(manager, full=True) == ("check", "zone_full")
    kept = rules(manager)["gates"]["east"]
    assert (kept["windows"], kept["passback"]) == ([], "soft")


def test_outings_are_the_communitys_or_the_households_own(manager: FlaskClient, parts: RegistryParts) -> None:
    person = parts.people.add(ADMIN, "garden", Resident(name="林晓梅", unit="7-3-1102"))
    card = parts.passes.issue_card(ADMIN, person).short_code
    out = {"direction": "out", "used": 2}
    assert tried(manager, **out) == ("allow", "ok")
    manager.post("/v1/rules/garden/quota", json={"quota": 2})
    assert tried(manager, **out) == ("check", "quota")
    assert tried(manager, code=card, **out) == ("check", "quota")
    manager.post("/v1/rules/garden/households", json={"unit": "7-3-1102", "quota": 3})
    assert rules(manager)["households"] == [{"unit": "7-3-1102", "quota_per_day": 3}]
    assert tried(manager, code=card, **out) == ("allow", "ok")
    manager.post("/v1/rules/garden/households", json={"unit": "7-3-1102", "quota": None})
    assert rules(manager)["households"] == []
    manager.post("/v1/rules/garden/quota", json={"quota": None})
    assert tried(manager, **out) == ("allow", "ok")


def test_a_pass_is_tried_as_it_stands(manager: FlaskClient, parts: RegistryParts, flow: Core) -> None:
    person = parts.people.add(ADMIN, "garden", Resident(name="林晓梅", unit="7-3-1102"))
    issued = parts.passes.issue_card(ADMIN, person)
    with flow.db.read() as tx:
        [held] = parts.passes.of_persons(tx, ADMIN, [person])
        code = parts.passes.text(tx, held)
    spaced = f"{issued.short_code[:4]} {issued.short_code[4:]}"
    for shown in (issued.short_code, spaced, issued.pass_id, code):
        assert tried(manager, code=shown) == ("allow", "ok")
    assert tried(manager, code=cf1.PREFIX + "0" * 116) == ("check", "error")
    assert tried(manager, code=forged(code)) == ("stop", "forged")
    assert tried(manager, code=issued.short_code, at=f"{DAY + timedelta(days=760)}T12:00") == ("check", "expired")
    parts.holds.hold(ADMIN, person, "isolation")
    later = datetime.fromtimestamp(flow.clock.now_ms() / 1000 + 120, ZoneInfo("Asia/Shanghai"))
    at = later.isoformat(timespec="minutes")
    assert tried(manager, code=issued.short_code, at=at) == ("check", "hold")
    tag = parts.passes.bind_tag(ADMIN, person, "04A2B3C4")
    assert tried(manager, code=tag, offline=True) == ("check", "unknown")
    parts.passes.revoke(ADMIN, issued.pass_id)
    assert tried(manager, code=issued.short_code) == ("stop", "revoked")


def forged(text: str) -> str:
    token = cf1.decode(text)
    assert isinstance(token, cf1.Token)
    signature = bytes([token.signature[0] ^ 1]) + token.signature[1:]
    return cf1.encode(
        cf1.Token(token.type, token.handle, signature, None, token.key_id, token.expiry_day, token.serial)
    )


def test_anothers_pass_is_not_found_and_a_try_of_ones_own_is_in_the_log(
    manager: FlaskClient, parts: RegistryParts
) -> None:
    mine = parts.people.add(ADMIN, "garden", Resident(name="林晓梅", unit="7-3-1102"))
    other = parts.people.add(ADMIN, "court", Resident(name="王五", unit="1-1-101"))
    code, foreign = (parts.passes.issue_card(ADMIN, each).short_code for each in (mine, other))
    answer = manager.post("/v1/rules/garden/try", json={"gate": "east", "code": foreign})
    assert answer.status_code == 422
    assert "eight digits" in answer.get_json()["detail"] + answer.get_json().get("remedy", "")
    tried(manager, code=code)
    rows = [row for row in manager.get("/v1/audit").get_json()["items"] if row["action"] == "rule.try"]
    assert [row["person"] for row in rows] != []
    assert rows[-1]["detail"]["gate"] == "east"


def test_what_was_and_what_is_stands_in_the_log_and_nothing_where_nothing_changed(manager: FlaskClient) -> None:
    for _ in range(2):
        manager.post("/v1/rules/garden/gates/east", json={"hours": "06:00-22:00", "passback": "hard"})
        manager.post("/v1/rules/garden/quota", json={"quota": 2})
        manager.post("/v1/rules/garden/types/carer", json={"gates": ["east"]})
    rows = [row for row in manager.get("/v1/audit").get_json()["items"] if row["action"] == "rule.change"]
    details = {row["subject"]: row["detail"] for row in rows}
    assert len(rows) == 3
    assert details["east"] == {
        "windows": {"was": [], "is": [["06:00", "22:00"]]}, "passback": {"was": "soft", "is": "hard"},
    }  # fmt: skip
    assert details["garden"] == {"quota_per_day": {"was": None, "is": 2}}
    assert details["carer"] == {"gates": {"was": None, "is": ["east"]}}


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("types/worker", {"hours": "8-18"}, "hours"),
    ("types/worker", {"hours": "25:00-26:00"}, "windows"),
    ("types/worker", {"hours": "Xyz 08:00-18:00"}, "hours"),
    ("types/worker", {"hours": "08:00-18:00, Mon"}, "hours"),
    ("types/worker", {"hours": "周一-周三-周五 08:00-18:00"}, "hours"),
    ("types/worker", {"hours": "08:00-08:00"}, "windows"),
    ("types/worker", {"hours": ",".join(["08:00-09:00"] * 7)}, "windows"),
    ("types/worker", {"gates": ["nowhere"]}, "gates"),
    ("gates/east", {"passback": "harder"}, "passback"),
    ("gates/east", {"dedup_window_s": 601}, "dedup_window_s"),
    ("quota", {"quota": -1}, "quota"),
    ("quota", {"quota": 100}, "quota"),
    ("quota", {"quota": "many"}, "quota"),
    ("households", {"unit": "99-9-9999", "quota": 1}, "unit"),
    ("try", {"gate": "east", "at": "yesterday"}, "date"),
    ("try", {"gate": "east", "code": "1234 5679"}, "code"),
    ("try", {"gate": "east", "type": "king"}, "type"),
]


def test_bad_input_is_named_and_changes_nothing(manager: FlaskClient) -> None:
    before = rules(manager)
    for path, body, named in BAD:
        answer = manager.post(f"/v1/rules/garden/{path}", json=body)
        assert answer.status_code == 422, (path, body, answer.get_json())
        assert named in str(answer.get_json()), (path, body, answer.get_json())
    for path in ("types/king", "gates/nowhere", "try"):
        assert manager.post(f"/v1/rules/garden/{path}", json={}).status_code == 404, path
    assert rules(manager) == before


def test_the_form_keeps_goes_back_and_says_why_not(manager: FlaskClient) -> None:
    kept = manager.post("/rules/garden/types/carer", data={"gates": ["east", "west"], "hours": "07:00–21:00"})
    assert (kept.status_code, kept.headers["Location"]) == (303, "/rules?community=garden")
    assert rules(manager)["types"]["carer"] == {"gates": ["east", "west"], "windows": [["07:00", "21:00"]]}
    refused = manager.post("/rules/garden/types/carer", data={"hours": "soon"})
    assert refused.status_code == 303
    assert "Hours are written like" in manager.get("/rules").get_data(as_text=True)
    page = manager.post("/rules/garden/try", data={"gate": "east", "type": "carer", "at": f"{DAY}T22:00"})
    text = page.get_data(as_text=True)
    assert "This pass is good 07:00–21:00: please come then" in text
    assert "可通行时段 07:00–21:00，请届时再来" in text
