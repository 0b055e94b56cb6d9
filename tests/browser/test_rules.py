"""A manager changes a rule on the page, tries it, and the gate that is online goes by it within seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from community_flow.domain.scope import Role
from tests.browser.gate_world import World, bound, chromium, decision, film, soon, typed
from tests.browser.walk import check, settle, sign_in
from tests.factories import an_account

pytestmark = pytest.mark.browser


def test_a_rule_changed_in_the_office_holds_at_the_gate_within_seconds(
    chromium_path: str, tmp_path: Path, gate_world: World
) -> None:
    gate_world.person("林晓梅")
    card = gate_world.card("林晓梅")
    link = gate_world.core.accounts.make_link(an_account(gate_world.core, Role.MANAGER).account, "test")
    with chromium(chromium_path, film(tmp_path / "blank.mjpeg", [(None, 0.5)])) as context:
        gate = bound(context, gate_world, gate_world.phone())
        office = context.new_page()
        sign_in(office, gate_world.server.url, link)
        office.goto(gate_world.server.url + "/rules?community=garden")
        settle(office)
        office.locator("[data-open='type-resident']").click()
        check(office)
        office.locator("#type-resident input[name=every]").uncheck()
        office.locator("#type-resident input[value=west]").check()
        office.locator("#type-resident .btn.primary").click()
        settle(office)
        assert "Kept." in office.inner_text("main")

        soon(gate, "window.gate.list.site.rules?.resident?.gates?.[0] === 'west'", 6)
        gate.bring_to_front()
        typed(gate, card)
        assert decision(gate) == "check"
        assert "Please use West gate" in gate.inner_text("#result")

        office.bring_to_front()
        office.fill("#t-code", card)
        office.select_option("#t-gate", "east")
        office.locator("#try .btn.primary").click()
        settle(office)
        check(office)
        assert "Please use West gate" in office.inner_text("#try")
        assert "请走西门" in office.inner_text("#try")
