"""The office's pages of keepers and requests, and a resident's own page: who may, what is shown, what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from community_flow.domain.residents import Resident
from community_flow.wiring.registry import RegistryParts
from tests.registry_parts import ADMIN

Clients = Callable[..., FlaskClient]
UNTIL = (datetime.now(ZoneInfo("Asia/Shanghai")).date() + timedelta(days=30)).isoformat()


@pytest.fixture
def family(parts: RegistryParts) -> tuple[str, str]:
    """A child and a mother."""
    made = [parts.people.add(ADMIN, "garden", Resident(name=name, unit="1-1-101")) for name in ("王小明", "王芳")]
    return made[0], made[1]


def test_the_office_binds_sees_and_ends_on_the_persons_page(manager: FlaskClient, family: tuple[str, str]) -> None:
    child, mother = family
    form = {"keeper": f" {mother} ", "relation": "household", "until": UNTIL, "sees": "1"}
    answer = manager.post(f"/people/{child}/keepers", data=form)
    assert answer.status_code == 303
    page = manager.get(f"/people/{child}").get_data(as_text=True)
    assert "王芳" in page
    assert "may read what is kept" in page
    assert f"until {UNTIL}" in page
    assert "This phone shows the pass of" in manager.get(f"/people/{mother}").get_data(as_text=True)
    [listed] = manager.get(f"/v1/people/{child}/keepers").get_json()["items"]
    assert (listed["keeper"], listed["holds"], listed["sees"]) == (mother, True, True)
    assert manager.post(f"/v1/keepers/{listed['keeping']}/end").status_code == 200
    [listed] = manager.get(f"/v1/people/{child}/keepers").get_json()["items"]
    assert not listed["holds"]
    assert manager.post(f"/v1/keepers/{listed['keeping']}/end").status_code == 404


def test_a_binding_without_an_end_or_for_a_stranger_is_refused_in_a_sentence(
    client_as: Clients, manager: FlaskClient, family: tuple[str, str]
) -> None:
    child, mother = family
    refused = manager.post(f"/v1/people/{child}/keepers", json={"keeper": mother})
    assert refused.status_code == 422
    assert "until when" in refused.get_json()["title"]
    assert manager.post(f"/v1/people/{child}/keepers", json={"keeper": mother, "until": "soon"}).status_code == 422
    other = client_as("manager", communities=["court"])
    assert other.get(f"/v1/people/{child}/keepers").get_json() == {"items": [], "next": None}
    given = {"keeper": mother, "until": UNTIL}
    assert other.post(f"/v1/people/{child}/keepers", json=given).status_code == 404
    for role in ("guard", "steward", "official"):
        assert client_as(role, communities=["garden"]).get(f"/v1/people/{child}/keepers").status_code == 403


def test_a_request_from_ones_own_page_is_answered_beside_the_inbox(
    client_as: Clients, manager: FlaskClient, family: tuple[str, str]
) -> None:
    _, mother = family
    resident = client_as("resident", communities=["garden"], person=mother)
    assert "Ask the office" in resident.get("/me").get_data(as_text=True)
    assert resident.post("/me/request", data={"kind": "correction", "text": "房号错了"}).status_code == 303
    assert "1 request about" in re.sub(r"\s+", " ", manager.get("/anomalies").get_data(as_text=True))
    page = manager.get("/requests").get_data(as_text=True)
    assert "房号错了" in page
    assert "王芳" in page
    [asked] = manager.get("/v1/requests").get_json()["items"]
    given = {"state": "done", "answer": "已更正"}
    assert manager.post(f"/requests/{asked['request']}/answer", data=given).status_code == 303
    assert "房号错了" not in manager.get("/requests").get_data(as_text=True)
    assert "已更正" in manager.get("/requests?state=settled").get_data(as_text=True)
    assert "已更正" in resident.get("/me").get_data(as_text=True)
    again = manager.post(f"/v1/requests/{asked['request']}/answer", json=given)
    assert again.status_code == 409


def test_only_the_office_reads_requests(client_as: Clients, manager: FlaskClient, family: tuple[str, str]) -> None:
    _, mother = family
    resident = client_as("resident", communities=["garden"], person=mother)
    resident.post("/me/request", data={"kind": "copy"})
    assert client_as("manager", communities=["court"]).get("/v1/requests").get_json()["items"] == []
    steward = client_as("steward", communities=["garden"])
    assert steward.get("/requests").status_code == 403
    assert "Requests of residents" not in steward.get("/anomalies").get_data(as_text=True)
    assert manager.post("/me/request", data={"kind": "copy"}).status_code == 403
