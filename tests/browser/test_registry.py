"""The office's work in a browser: an import from upload to totals, and the pages behind the navigation, accessible."""

from __future__ import annotations

from typing import Any

import pytest

from community_flow.domain.residents import Resident
from community_flow.domain.scope import Role
from community_flow.wiring.registry import registry_parts
from tests.browser.walk import check, settle, sign_in
from tests.conftest import LiveServer
from tests.factories import an_account
from tests.registry_parts import MANAGER

pytestmark = pytest.mark.browser

FILE = "姓名,手机号,住在哪里\n林晓梅,13800138000,1-1-101\n新来的,,7号楼3单元1102\n坏电话,1.38E+10,1-1-102\n"


def test_a_list_is_imported_and_every_page_is_accessible(live_server: LiveServer, browser_page: Any) -> None:
    core = live_server.core()
    parts = registry_parts(core)
    person = parts.people.add(MANAGER, "garden", Resident(name="王五", unit="1-1-101"))
    parts.passes.issue_card(MANAGER, person)
    now_ms = core.clock.now_ms()
    guest = Resident(name="赵客", unit="1-1-101")
    visitor = parts.visitors.register(MANAGER, "garden", guest, now_ms, now_ms + 3_600_000)
    link = core.accounts.make_link(an_account(core, Role.MANAGER).account, "test")
    core.db.close()
    page, errors = browser_page, []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    sign_in(page, live_server.url, link)

    uploaded = _import(page, live_server.url)

    for path in (
        "/people", "/people/new", f"/people/{person}", "/people/cards", "/people/import", uploaded, "/visitors",
        f"/visitors/{visitor}", "/setup",
    ):  # fmt: skip
        page.goto(path if path.startswith("http") else live_server.url + path)
        settle(page)
        check(page)
    page.goto(live_server.url + "/setup")
    page.locator("[data-open='gate-east']").click()
    check(page)
    page.goto(f"{live_server.url}/people/{person}")
    page.locator("[data-open='hold']").first.click()
    check(page)
    assert errors == []


def _import(page: Any, url: str) -> str:
    """Upload, match a column, keep; gives the address of the finished import."""
    page.goto(url + "/people/import")
    page.set_input_files(
        "#file", files=[{"name": "登记表.csv", "mimeType": "text/csv", "buffer": FILE.encode("gb18030")}]
    )
    page.locator("form[enctype] button").click()
    page.get_by_text("Choose the column that holds the address").wait_for()
    check(page)
    page.select_option("select[name='column-2']", "address")
    page.locator("form[action$='/columns'] button").click()
    page.get_by_role("button", name="Keep 2 rows").wait_for()
    check(page)
    page.get_by_role("button", name="Keep 2 rows").click()
    page.get_by_text("Done.").wait_for()
    page.get_by_text("See the totals").click()
    page.get_by_text("3 rows = 2 new").wait_for()
    return str(page.url)
