"""Every route says for whom it is, and means it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from community_flow.domain.scope import Role
from community_flow.entrypoints.access import access_of
from community_flow.entrypoints.security import HEADERS
from community_flow.wiring.core import Core
from tests.factories import a_person, an_account

STAFF = ("guard", "steward", "manager", "official", "admin")


def plain_gets(app: Flask) -> list[tuple[str, Any]]:
    """(path, declared access) of every page and list without parameters."""
    return [
        (rule.rule, access_of(app, rule.endpoint))
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.arguments
    ]


def test_every_route_declares_its_roles(app: Flask) -> None:
    silent = [rule.rule for rule in app.url_map.iter_rules() if access_of(app, rule.endpoint) is None]
    assert not silent, f"these routes let nobody in: declare @roles, @public or @device on {silent}"


def test_only_a_few_addresses_are_public(app: Flask) -> None:
    """A new public address is a decision: write it here."""
    public = {rule.rule for rule in app.url_map.iter_rules() if access_of(app, rule.endpoint) == "public"}
    assert public <= {
        "/static/<path:filename>", "/vendor/<path:path>", "/scanner/<path:path>", "/login", "/login/link/<secret>",
        "/language/<language>", "/privacy", "/trust", "/trust/ca.pem", "/healthz", "/readyz", "/metrics",
        "/gate", "/gate/sw.js", "/gate/manifest.webmanifest", "/gate/session", "/v1/openapi.json", "/v1/device/claim",
        "/demo/switch/<secret>", "/me/pass", "/me/sw.js", "/me/manifest.webmanifest", "/mypass/<path:path>",
            "/gate/decoder.js", "/me/pass/decoder.js",
    }  # fmt: skip


def test_strangers_see_no_page(app: Flask) -> None:
    client = app.test_client()
    for path, access in plain_gets(app):
        if isinstance(access, frozenset):
            answer = client.get(path, buffered=True)
            assert answer.status_code in (302, 401), f"{path} answered {answer.status_code} to a stranger"


@pytest.mark.parametrize("role", [*STAFF, "resident"])
def test_each_role_gets_what_was_declared(
    app: Flask, flow: Core, client_as: Callable[..., FlaskClient], role: str
) -> None:
    person = a_person(flow) if role == "resident" else None
    client = client_as(role, person=person)
    for path, access in plain_gets(app):
        if not isinstance(access, frozenset):
            continue
        status = client.get(path, buffered=True).status_code
        if Role(role) in access:
            assert status in (200, 302, 304, 404, 422), f"{path} answered {status} to a {role}, whom it admits"
        else:
            assert status == 403, f"{path} answered {status} to a {role}, whom it does not admit"


@pytest.mark.parametrize(
    ("role", "paths"),
    [
        # an admin keeps the system and sees no movements
        ("admin", ("/v1/passages", "/v1/attempts", "/v1/visits", "/cases", "/anomalies")),
        # a guard sees passages of the own gate, never where somebody was
        ("guard", ("/v1/visits", "/v1/conflicts", "/cases", "/anomalies", "/people", "/statistics")),
        # an official sees sums, and contacts under an order
        ("official", ("/v1/passages", "/v1/visits", "/people", "/anomalies")),
    ],
)
def test_movements_are_for_few(client_as: Callable[..., FlaskClient], role: str, paths: tuple[str, ...]) -> None:
    client = client_as(role)
    for path in paths:
        assert client.get(path, buffered=True).status_code in (403, 404), f"{path} is open to a {role}"


def test_headers_are_on_every_answer(app: Flask) -> None:
    client = app.test_client()
    for path in ("/login", "/nowhere", "/v1/passages", "/static/app.css", "/v1/reports"):
        answer = client.get(path, buffered=True)
        for name in [*HEADERS, "Content-Security-Policy"]:
            assert name in answer.headers, f"{path} lacks {name}"


def test_no_page_allows_inline_code(app: Flask) -> None:
    policy = app.test_client().get("/login").headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_only_the_scanner_may_run_webassembly(app: Flask) -> None:
    policy = app.test_client().get("/gate", buffered=True).headers["Content-Security-Policy"]
    assert re.findall(r"'[a-z-]*unsafe[a-z-]*'", policy) == ["'wasm-unsafe-eval'"]


def signed_in(app: Flask, flow: Core, role: Role) -> FlaskClient:
    """A browser with a session, as a person has it."""
    account = an_account(flow, role).account
    client = app.test_client()
    page = client.get(f"/login/link/{flow.accounts.make_link(account, 'test')}")
    client.post(page.request.path, data={"csrf_token": token(page)})
    return client


def token(page: TestResponse) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', page.text)
    assert found, "the page carries no CSRF token"
    return found.group(1)


def test_a_session_needs_the_csrf_token(app: Flask, flow: Core) -> None:
    client = signed_in(app, flow, Role.ADMIN)
    body = {"login": "new", "name": "New", "role": "admin"}
    assert client.post("/users", data=body).status_code == 400
    page = client.get("/users")
    assert client.post("/users", data={**body, "csrf_token": token(page)}).status_code == 200


def test_json_with_a_session_needs_it_too(app: Flask, flow: Core) -> None:
    client = signed_in(app, flow, Role.STEWARD)
    refused = client.post("/v1/anomalies/an_x/verdict", json={"verdict": "known"})
    assert (refused.status_code, refused.content_type) == (400, "application/problem+json")


def test_a_link_is_not_used_up_by_a_preview(app: Flask, flow: Core) -> None:
    """Messengers fetch links to show a preview: looking is not signing in."""
    account = an_account(flow, Role.MANAGER).account
    secret = flow.accounts.make_link(account, "test")
    app.test_client().get(f"/login/link/{secret}")
    assert flow.accounts.use_link(secret).account == flow.accounts.by_login(account.login)


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_elsewhere(app: Flask, flow: Core, target: str) -> None:
    account = an_account(flow, Role.MANAGER).account
    flow.accounts.set_password(account, "four plain words", "test")
    client = app.test_client()
    page = client.get("/login")
    body = {"login": account.login, "password": "four plain words", "next": target, "csrf_token": token(page)}
    answer = client.post("/login", data=body)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/"


def test_a_wrong_password_says_so_and_keeps_the_login(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/login")
    answer = client.post("/login", data={"login": "wang", "password": "x" * 12, "csrf_token": token(page)})
    assert answer.status_code == 403
    assert 'value="wang"' in answer.text


def test_the_session_ends_with_the_account(app: Flask, flow: Core) -> None:
    client = signed_in(app, flow, Role.MANAGER)
    assert client.get("/audit").status_code == 200
    [manager] = [each for each in flow.accounts.list(an_account(flow, Role.ADMIN).scope) if each.role is Role.MANAGER]
    flow.accounts.disable(manager, "test")
    assert client.get("/audit").status_code == 302


@pytest.mark.parametrize(
    ("header", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.5", "zh-CN"), ("en-GB,en;q=0.9", "en"), ("fr-FR", "zh-CN"), ("", "zh-CN")],
)
def test_the_browser_chooses_the_language(app: Flask, header: str, language: str) -> None:
    page = app.test_client().get("/login", headers={"Accept-Language": header})
    assert f'<html lang="{language}"' in page.text


def test_the_switch_beats_the_browser(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/login", headers={"Accept-Language": "en"})
    client.post("/language/zh", data={"csrf_token": token(page)})
    assert '<html lang="zh-CN"' in client.get("/login", headers={"Accept-Language": "en"}).text


@pytest.mark.parametrize("path", ["/v1/nowhere", "/v1/cases/c_none"])
def test_programs_get_problems_with_a_title(client_as: Callable[..., FlaskClient], path: str) -> None:
    answer = client_as("official").get(path)
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert answer.json
    assert answer.json["title"]


def test_people_get_a_page(client_as: Callable[..., FlaskClient]) -> None:
    answer = client_as("manager").get("/nowhere", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert answer.content_type.startswith("text/html")


@pytest.mark.parametrize("bad", ["cfp_wrong", "cfp_", "cfp_" + "x" * 5000])
def test_a_wrong_token_is_refused(app: Flask, bad: str) -> None:
    answer = app.test_client().get("/v1/me", headers={"Authorization": f"Bearer {bad}"})
    assert answer.status_code == 401


def test_a_manager_makes_guards_of_the_own_community_only(client_as: Callable[..., FlaskClient]) -> None:
    client = client_as("manager")
    wanted = {"login": "g1", "name": "Guard", "role": "guard", "communities": ["elsewhere"]}
    assert client.post("/users", json=wanted).status_code == 403
    assert client.post("/users", json={**wanted, "role": "admin", "communities": []}).status_code == 403
    assert client.post("/users", json={**wanted, "communities": ["garden"]}).status_code == 200
