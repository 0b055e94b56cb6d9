"""What several people do at once: two guards at one roll call, a host who answers on their own phone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser.gate_world import MANAGER, World, another, bound, decision, gone, held, logged, on_duty, soon, typed
from tests.browser.test_my_pass import claimed, slip
from tests.browser.walk import axe_faults

pytestmark = pytest.mark.browser


def at_roll_call(page: Any, operator: str, pin: str) -> None:
    page.click("#tile-more")
    page.click("#sheet .plain:has-text('Roll call')")
    page.select_option("#sheet select", "compound")
    held(page, "#sheet .go")
    on_duty(page, operator, pin)
    page.wait_for_selector("#sheet .roll")


def ticked(page: Any, name: str) -> bool:
    return bool(page.get_attribute(f"#sheet .tick:has-text('{name}')", "aria-checked") == "true")


def test_two_guards_share_the_ticks_of_a_roll_call_and_a_dead_line_loses_none(gate_world: World, gate: Any) -> None:
    for name in ("汤点名", "陆点名"):
        gate_world.person(name, unit="8-1-101")
        gate_world.card(name)
    first = bound(gate, gate_world, gate_world.phone())
    for name in ("汤点名", "陆点名"):
        typed(first, gate_world.card(name))
        assert decision(first) == "allow"
        gate_world.until(f"/v1/visits?person={gate_world.people[name]}", bool)
        gone(first)
    other = another(gate.browser)
    second = bound(other, gate_world, gate_world.phone("west"))
    one, two = gate_world.guard("6402"), gate_world.guard("9137")
    at_roll_call(first, one, "6402")
    at_roll_call(second, two, "9137")
    first.click("#sheet .tick:has-text('汤点名')")
    soon(second, "document.querySelector('#sheet .tick[aria-checked=true]')")
    assert ticked(second, "汤点名")
    assert second.inner_text("#sheet .tick[aria-checked=true] .by") == one

    other.set_offline(True)
    second.click("#sheet .tick:has-text('陆点名')")
    second.click("#sheet .tick:has-text('汤点名')")  # taken back
    assert (ticked(second, "陆点名"), ticked(second, "汤点名")) == (True, False)
    assert (ticked(first, "陆点名"), ticked(first, "汤点名")) == (False, True)
    second.keyboard.press("Escape")  # closed before anything was told
    second.wait_for_selector("#sheet", state="hidden")
    other.set_offline(False)
    soon(first, "document.querySelector('#sheet .tick[aria-checked=true]')?.textContent.includes('陆点名')")
    assert not ticked(first, "汤点名")
    assert first.inner_text("#sheet .say").startswith("1 of ")
    soon(second, "window.gate.store.secret('roll').then((kept) => !kept?.pending.length)")
    kept = second.evaluate("window.gate.store.secret('roll')")
    assert not re.search("点名", str(kept))
    other.close()


def test_a_host_answers_on_their_own_phone_and_the_gate_hears_it_within_seconds(
    gate_world: World, gate: Any, tmp_path: Path
) -> None:
    gate_world.person("方房东", unit="7-3-1102")
    operator = gate_world.guard("7715")
    homes = another(gate.browser)
    host = claimed(homes, slip(gate_world, "方房东", tmp_path))
    page = bound(gate, gate_world, gate_world.phone())
    page.click("#tile-more")
    page.click("#sheet .plain:has-text('Go on duty')")
    on_duty(page, operator, "7715")
    page.wait_for_selector("#sheet", state="hidden")
    page.click("#tile-guest")
    for key in ("7", "next", "3", "next", "1", "1", "0", "2"):
        page.click("#sheet .pad button:last-child" if key == "next" else f"#sheet .pad button:text-is('{key}')")
    page.click("#ask-host")
    soon(page, "document.querySelector('#sheet [role=status]').textContent.startsWith('Asked 1')")
    faults = axe_faults(page)
    host.bring_to_front()
    host.wait_for_selector("#guest-yes")
    assert "East gate" in host.inner_text("#guests")
    faults += axe_faults(host)
    host.click("#guest-yes")
    soon(host, "document.querySelector('#guests').textContent.includes('told: yes')")
    page.bring_to_front()
    soon(page, "document.querySelector('#sheet [role=status]').textContent.includes('said yes')")
    page.click("#sheet .go")
    page.wait_for_selector("#sheet .slip svg")
    assert page.evaluate("window.gate.desk.entries[0].note ?? window.gate.desk.entries[0].content.note") == "host: app"
    [row] = logged(gate_world, "me.guest")
    assert (row.person, row.detail["answer"], row.detail["operator"]) == (
        gate_world.people["方房东"], "yes", operator
    )  # fmt: skip
    gate_world.until("/v1/visitors?community=garden", lambda rows: any(each["state"] == "inside" for each in rows))
    assert not faults
    homes.close()


def test_the_offices_number_reaches_every_gate_phone(gate_world: World, gate: Any) -> None:
    page = bound(gate, gate_world, gate_world.phone())
    gate_world.parts.places.set_telephone(MANAGER, "garden", "+86 10-8765 4321")
    soon(page, "window.gate.list.site.telephone === '+861087654321'")
    page.click("#tile-more")
    page.click("#sheet .plain:has-text('Call the office')")
    assert "+861087654321" in page.inner_text("#sheet .go")
