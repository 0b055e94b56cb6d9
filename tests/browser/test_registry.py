"""The office's work in a browser: an import from upload to totals, and the pages behind the navigation, accessible."""

from __future__ import annotations

from typing import Any

import pytest

from community_flow.domain.residents import Resident
from community_flow.domain.scope import Role
from community_flow.wiring.registry import registry_parts
from tests.browser.walk import LOOKS, settle, sign_in
from tests.conftest import ROOT, LiveServer
from tests.factories import an_account
from tests.registry_parts import MANAGER

pytestmark = pytest.mark.browser

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
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
        _check(page)
    page.goto(live_server.url + "/setup")
    page.locator("[data-open='gate-east']").click()
    _check(page)
    page.goto(f"{live_server.url}/people/{person}")
    page.locator("[data-open='hold']").first.click()
    _check(page)
    assert errors == []


def _import(page: Any, url: str) -> str:
    """Upload, match a column, keep; gives the address of the finished import."""
    page.goto(url + "/people/import")
    page.set_input_files(
        "#file", files=[{"name": "登记表.csv", "mimeType": "text/csv", "buffer": FILE.encode("gb18030")}]
    )
    page.locator("form[enctype] button").click()
    page.get_by_text("Choose the column that holds the address").wait_for()
    _check(page)
    page.select_option("select[name='column-2']", "address")
    page.locator("form[action$='/columns'] button").click()
    page.get_by_role("button", name="Keep 2 rows").wait_for()
    _check(page)
    page.get_by_role("button", name="Keep 2 rows").click()
    page.get_by_text("Done.").wait_for()
    page.get_by_text("See the totals").click()
    page.get_by_text("3 rows = 2 new").wait_for()
    return str(page.url)


def _check(page: Any) -> None:
    """No violation and nothing sideways, on a phone and on a desktop, light and dark."""
    for look in LOOKS:
        look.put_on(page)
        page.evaluate(AXE.read_text())
        found = page.evaluate("rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES)
        broken = [(each["id"], each["nodes"][0]["html"][:160]) for each in found["violations"]]
        assert not broken, f"{page.url} {look}: {broken}"
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{page.url} {look}: {over} px too wide"
