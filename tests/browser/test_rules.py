"""A manager changes a rule on the page, tries it, and the gate that is online goes by it within seconds."""

from __future__ import annotations

from typing import Any

import pytest

from community_flow.domain.scope import Role
from tests.browser.gate_world import World, bound, decision, soon, typed
from tests.browser.walk import check, settle, sign_in
from tests.factories import an_account

pytestmark = pytest.mark.browser


def test_a_rule_changed_in_the_office_holds_at_the_gate_within_seconds(gate_world: World, gate: Any) -> None:
    gate_world.person("林晓梅")
    card = gate_world.card("林晓梅")
    link = gate_world.core.accounts.make_link(an_account(gate_world.core, Role.MANAGER).account, "test")
    guard = bound(gate, gate_world, gate_world.phone())
    office = gate.new_page()
    sign_in(office, gate_world.server.url, link)
    office.goto(gate_world.server.url + "/rules?community=garden")
    settle(office)
    office.locator("[data-open='type-resident']").click()
    check(office)
    office.locator("#type-resident input[name=every]").uncheck()
    office.locator("#type-resident input[value=west]").check()
    office.locator("#type-resident .btn.primary").click()
    office.locator("main").get_by_text("Kept.").first.wait_for()

    soon(guard, "window.gate.list.site.rules?.resident?.gates?.[0] === 'west'")
    guard.bring_to_front()
    typed(guard, card)
    assert decision(guard) == "check"
    assert "Please use West gate" in guard.inner_text("#result")

    office.bring_to_front()
    office.fill("#t-code", card)
    office.select_option("#t-gate", "east")
    office.locator("#try .btn.primary").click()
    office.locator("#try").get_by_text("Please use West gate").first.wait_for()
    assert "请走西门" in office.inner_text("#try")
    settle(office)
    check(office)
