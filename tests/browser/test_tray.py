"""The tray as a steward uses it, in Chromium: what waits and why, mended, tried again, left aside."""

from __future__ import annotations

from typing import Any

from community_flow.domain.scope import Role
from tests.browser.walk import settle, sign_in
from tests.conftest import LiveServer
from tests.contract.test_ingest import Desk
from tests.contract.test_tray import add_north, reason_rows
from tests.factories import an_account


def test_a_steward_mends_and_leaves_aside(live_server: LiveServer, browser_page: Any) -> None:
    core, page = live_server.core(), browser_page
    desk = Desk(core, "gateway", None)
    rows = reason_rows(desk)
    desk.send(*(desk.count(seq, gate="north") for seq in range(100, 180)))
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    sign_in(page, live_server.url, core.accounts.make_link(an_account(core, Role.STEWARD).account, "test"))

    page.goto(f"{live_server.url}/anomalies")
    page.get_by_role("link", name="A gate that the device may not speak of").click()
    page.get_by_role("button", name="Try all 81 again").click()
    page.get_by_text("Still not usable: 81").wait_for()
    add_north(desk)
    page.get_by_role("button", name="Try all 81 again").click()
    page.get_by_text("81 reports take part now.").wait_for()
    page.get_by_text("None of these").wait_for()
    assert len(desk.rows()) == 83  # with the held one and the one that is contradicted

    page.goto(f"{live_server.url}/tray")
    settle(page)
    waiting = desk.parts.tray.count_open(desk.manager)
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name="Leave the chosen aside").click()
    page.get_by_text("Say in a few words why this may be left aside.").wait_for()
    assert desk.parts.tray.count_open(desk.manager) == waiting
    page.goto(f"{live_server.url}/tray/{rows['conflict']}")
    assert '"n": 2' in (page.locator("pre").text_content() or "")
    page.get_by_placeholder("Why it may be left aside").fill("the camera was tested")
    page.get_by_role("button", name="Leave it aside").click()
    page.get_by_text("1 report is left aside.").wait_for()
    assert "conflict" not in desk.parts.tray.count_open(desk.manager)
    core.db.close()
    assert errors == []
