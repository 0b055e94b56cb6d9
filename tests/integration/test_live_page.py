"""The live page over the real way in: reports through ingest and fold until they stand on the page."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from community_flow.domain.places import Device
from community_flow.domain.scope import Role, Scope
from community_flow.services.registry import Change
from community_flow.wiring.core import Core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.ingest import ingest_parts
from tests.factories import a_person, small_community

Client = Callable[..., FlaskClient]
GARDEN = Scope("test", Role.MANAGER, frozenset({"garden"}))


class Camera:
    """An enrolled counting device at the west gate."""

    def __init__(self, app: Flask, core: Core) -> None:
        self.client, self.core = app.test_client(), core
        self.enrolled = ingest_parts(core).devices.enrol(GARDEN, "garden", "camera", "west")
        self.numbers = itertools.count(1)

    def count(self, direction: str, n: int) -> None:
        """Report bodies and let the fold take them in."""
        report: dict[str, Any] = {
            "boot": 7, "seq": next(self.numbers), "at": self.core.clock.now_ms(), "skew_ms": 0, "kind": "count",
            "gate": "west", "direction": direction, "n": n, "confidence": 0.9,
        }  # fmt: skip
        answer = self.client.post(
            "/v1/reports",
            json={"batch": "b1", "reports": [report]},
            headers={"Authorization": f"Bearer {self.enrolled.token}"},
        )
        assert [each["outcome"] for each in (answer.json or {})["results"]] == ["accepted"], answer.text
        flow_parts(self.core).flow.drain("garden")


@pytest.fixture
def camera(app: Flask, flow: Core) -> Camera:
    return Camera(app, flow)


def figure(html: str, label: str) -> str:
    found = re.search(rf'figure-label">{label}</div>\s*<div class="figure-value">([^<]*)<', html)
    assert found, html
    return found.group(1)


def test_counted_bodies_stand_on_the_page(camera: Camera, client_as: Client) -> None:
    camera.count("in", 5)
    camera.count("out", 2)
    html = client_as("manager").get("/").text
    assert (figure(html, "Entries today"), figure(html, "Exits today"), figure(html, "Inside now")) == ("5", "2", "3")


def asked_twice(client: FlaskClient) -> tuple[TestResponse, TestResponse]:
    """Several times where need be: the page says of when it is, and just between the two that may change."""
    for _ in range(10):
        first = client.get("/live/now")
        again = client.get("/live/now", headers={"If-None-Match": first.headers["ETag"]})
        if again.status_code != 200:
            break
    return first, again


def test_nothing_new_is_answered_without_a_page(camera: Camera, client_as: Client) -> None:
    camera.count("in", 5)
    client = client_as("steward")
    first, same = asked_twice(client)
    assert (first.status_code, same.status_code, same.data) == (200, 304, b"")
    camera.count("in", 1)
    news = client.get("/live/now", headers={"If-None-Match": first.headers["ETag"]})
    assert news.status_code == 200
    assert figure(news.text, "Entries today") == "6"


def test_a_silent_device_is_named_and_widens(app: Flask, camera: Camera, flow: Core, client_as: Client) -> None:
    camera.count("in", 5)
    with flow.db.write() as tx:
        camera_two = Device(names={"en": "Clinic camera", "zh": "诊所摄像头"}, gate="clinic-door", kind="camera")
        flow.registry.record(tx, [Change("garden", "device", "d_aaaaaaaaaaaa", 0, camera_two)], "test")
    html = client_as("manager").get("/").text
    assert "Clinic camera: Not yet seen" in html
    assert "1 device down" in html


def test_zones_without_a_gate_are_not_said_to_be_empty(camera: Camera, client_as: Client) -> None:
    """The clinic has a door; nobody counts who is in building 1, and 0 would be a lie."""
    camera.count("in", 5)
    html = client_as("manager").get("/").text.split('id="live-zones"')[1].split("</section>")[0]
    assert "Clinic" in html
    assert "Building 1" not in html


def test_an_empty_community_says_how_to_begin(client_as: Client) -> None:
    html = client_as("manager").get("/").text
    assert "No reports yet" in html
    assert 'href="/devices"' in html
    assert "Enrol a device" not in client_as("steward").get("/").text


def test_without_any_community_the_page_leads_to_the_set_up(app_factory: Callable[..., Flask]) -> None:
    from tests.factories import an_account

    app = app_factory()
    core: Core = app.extensions["flow"]
    token = core.accounts.make_token(an_account(core, Role.ADMIN).account, "test", "test")
    html = app.test_client().get("/", headers={"Authorization": f"Bearer {token}"}).text
    assert "No community yet" in html
    assert 'href="/setup"' in html


def test_a_foreign_community_is_not_there(flow: Core, client_as: Client) -> None:
    small_community(flow, "lake")
    client = client_as("manager")
    assert client.get("/?community=garden").status_code == 200
    assert client.get("/?community=lake").status_code == 404
    assert client.get("/live/now?community=lake").status_code == 404


def test_the_switch_offers_what_the_scope_holds(flow: Core, client_as: Client) -> None:
    small_community(flow, "lake")
    assert "?community=lake" not in client_as("manager").get("/").text
    both = client_as("manager", communities=("garden", "lake"))
    assert "?community=lake" in both.get("/").text


def test_residents_are_sent_to_their_own_page(flow: Core, client_as: Client) -> None:
    client = client_as(Role.RESIDENT, person=a_person(flow))
    assert client.get("/").headers["Location"] == "/me"
    assert client.get("/live/now").status_code == 403


def test_strangers_are_sent_to_the_sign_in(app: Flask) -> None:
    assert app.test_client().get("/").headers["Location"].startswith("/login")
