"""The frame around every page: who is offered which page, refusals as pages, the sign-in walk without a browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from community_flow.domain.scope import Role
from community_flow.entrypoints.shell import PAGES, ago, is_open, number
from community_flow.wiring.core import Core
from tests.factories import a_person, an_account

Client = Callable[..., FlaskClient]


def offered(html: str) -> set[str]:
    """Addresses in the navigation beside the page."""
    side = html.split('class="side"')[1].split('class="side-foot"', maxsplit=1)[0]
    return set(re.findall(r'<a href="([^"]+)"', side))


@pytest.mark.parametrize("role", list(Role))
def test_navigation_offers_exactly_what_opens(app: Flask, flow: Core, client_as: Client, role: Role) -> None:
    person = a_person(flow) if role is Role.RESIDENT else None
    client = client_as(role, person=person)
    links = offered(client.get("/privacy").text)
    assert "/privacy" in links
    for path in links:
        with client.get(path) as answer:
            assert answer.status_code == 200, path
    with app.app_context():
        closed = {page.path for group in PAGES for page in group.entries if not is_open(page.path, role)}
    assert not links & closed
    if role is not Role.ADMIN and role is not Role.MANAGER:
        assert "/users" not in links


def test_the_page_that_is_open_is_marked_once(client_as: Client) -> None:
    html = client_as("manager").get("/users").text.split('class="side"')[1].split("</nav>")[0]
    assert re.findall(r'href="([^"]+)" aria-current="page"', html) == ["/users"]


def test_every_page_forbids_inline_script_and_style(client_as: Client) -> None:
    answer = client_as("manager").get("/users")
    assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
    assert not re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", answer.text)
    assert " style=" not in answer.text
    assert " onclick=" not in answer.text


def test_a_foreign_address_is_a_page_that_leads_back(client_as: Client) -> None:
    answer = client_as("manager").get("/nowhere")
    assert answer.status_code == 404
    assert "Not found" in answer.text
    assert 'href="/"' in answer.text


def test_a_role_that_is_not_admitted_is_told_the_remedy(client_as: Client) -> None:
    answer = client_as("guard").get("/users")
    assert answer.status_code == 403
    assert "ask a manager" in answer.text


def test_texts_of_people_are_escaped(flow: Core, client_as: Client) -> None:
    an_account(flow, Role.GUARD, login="<script>alert(1)</script>")
    html = client_as("manager").get("/users").text
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_the_link_of_a_new_account_signs_in_once(app: Flask, client_as: Client) -> None:
    page = client_as("manager").post(
        "/users", data={"login": "lin", "name": "Lin Mei", "role": "guard", "communities": "garden", "gates": ["east"]}
    )
    link = re.search(r"/login/link/[\w-]+", page.text)
    assert link is not None, page.text
    browser = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(link.group()).text)
    assert token is not None
    first = browser.post(link.group(), data={"csrf_token": token.group(1)})
    assert first.status_code == 302
    assert "Lin Mei" in browser.get("/privacy").text
    again = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', again.get(link.group()).text)
    assert token is not None
    assert again.post(link.group(), data={"csrf_token": token.group(1)}).status_code >= 400


def test_a_resident_sees_their_own_looks_only(flow: Core, client_as: Client) -> None:
    from community_flow.ports.audit import Look

    mine, other = a_person(flow), a_person(flow)
    with flow.db.write() as tx:
        for person, purpose in ((mine, "order 2026-11/44"), (other, "order 2026-12/01")):
            flow.audit.append(
                tx,
                Look(
                    account="a_x",
                    role="official",
                    action="case.open",
                    community="garden",
                    person=person,
                    purpose=purpose,
                ),
            )
    html = client_as(Role.RESIDENT, person=mine).get("/me").text
    assert "order 2026-11/44" in html
    assert "Health official" in html
    assert "order 2026-12/01" not in html


def test_a_broken_chain_is_said_on_the_page(flow: Core, client_as: Client) -> None:
    client = client_as("manager")
    assert "The chain holds." in client.get("/audit").text
    with flow.db.write() as tx:
        tx.exec_driver_sql("UPDATE audit SET action = 'nothing' WHERE number = 1")
    assert "Row 1 does not follow" in client.get("/audit").text


def test_privacy_says_this_installations_own_days(app: Flask, flow: Core) -> None:
    page = app.test_client().get("/privacy", headers={"Accept-Language": "en"})
    days = flow.settings.retention_days
    assert f"{days} days, or 21 while a health order is in force; then deleted within two nights" in page.text
    assert "保存哪些信息" in app.test_client().get("/privacy", headers={"Accept-Language": "zh-CN"}).text


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [(0, "0 s ago"), (59_999, "59 s ago"), (60_000, "1 min ago"), (3_600_000, "1 h ago"), (172_800_000, "2 days ago")],
)
def test_ages_in_words(app: Flask, age_ms: int, text: str) -> None:
    with app.test_request_context(headers={"Accept-Language": "en"}):
        assert ago(1_000_000_000 - age_ms, 1_000_000_000) == text


def test_a_clock_that_runs_ahead_gives_no_negative_age(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "en"}):
        assert ago(2_000, 1_000) == "0 s ago"
        assert ago(None, 1_000) == "never"
        assert (number(1776), number(None)) == ("1,776", "—")
