"""What a guard on duty does beyond letting people through: emergencies, roll calls, guests, names, paper."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.gate_world import MANAGER, World, another, bound, decision, gone, held, logged, on_duty, soon, typed
from tests.browser.walk import axe_faults

pytestmark = pytest.mark.browser


def digits(page: Any, *keys: str) -> None:
    for key in keys:
        page.click("#sheet .pad button:last-child" if key == "next" else f"#sheet .pad button:text-is('{key}')")


def test_in_an_emergency_everyone_passes_and_it_is_known_who_said_so(gate_world: World, gate: Any) -> None:
    gate_world.person("关应急")
    card = gate_world.card("关应急")
    gate_world.parts.passes.revoke(MANAGER, gate_world.pass_id("关应急"))
    first, second = gate_world.guard("4821"), gate_world.guard("9137")
    page = bound(gate, gate_world, gate_world.phone("west"))
    page.click("#tile-more")
    page.click("#sheet .plain:has-text('let everyone pass')")
    held(page, "#sheet .go")
    on_duty(page, first, "4821")
    page.wait_for_selector("#emergency:not([hidden])")
    faults = axe_faults(page)
    typed(page, card)
    assert decision(page) == "allow"
    assert "everyone passes" in page.inner_text("#result")
    gone(page)
    for _ in range(2):
        page.click("#count-one")
    soon(page, "window.gate.queue.writing === 0 && window.gate.desk.emergency.state.counted === 2")
    page.reload()  # it goes on
    page.wait_for_selector("#emergency:not([hidden])")
    soon(page, "document.querySelector('#count-one b').textContent === '2'")
    held(page, "#end-emergency")
    on_duty(page, second, "9137")
    page.wait_for_selector("#emergency", state="hidden")
    rows = gate_world.until("/v1/passages", lambda rows: sum(row["gate"] == "west" for row in rows) >= 3)
    west = [row for row in rows if row["gate"] == "west"]
    assert sorted(row["kind"] for row in west) == ["scan", "visitor", "visitor"]
    assert [row["reason"] for row in west if row["kind"] == "scan"] == ["free_flow"]
    soon(page, "window.gate.desk.emergency.state === null")  # the server knows of the end
    [begun], [ended] = logged(gate_world, "gate.emergency"), logged(gate_world, "gate.emergency.end")
    assert (begun.detail["operator"], ended.detail["operator"], ended.detail["counted"]) == (first, second, 2)
    assert not faults


def test_an_emergency_begun_at_one_phone_is_heard_by_the_other(gate_world: World, gate: Any) -> None:
    operator = gate_world.guard("5310")
    page = bound(gate, gate_world, gate_world.phone("clinic-door"))
    with_other = another(gate.browser)
    other = bound(with_other, gate_world, gate_world.phone("clinic-door"))
    page.evaluate("(who) => window.gate.desk.emergency.begin('clinic-door', who, Date.now())", operator)
    other.wait_for_selector("#emergency:not([hidden])")
    assert operator in other.inner_text("#emergency-say")
    other.evaluate("(who) => window.gate.desk.emergency.end(who, Date.now())", operator)
    page.wait_for_selector("#emergency", state="hidden")


def test_a_roll_call_names_who_is_inside_and_is_ticked_off(gate_world: World, gate: Any) -> None:
    gate_world.person("汤点名", unit="8-1-101")
    card, operator = gate_world.card("汤点名"), gate_world.guard("6402")
    page = bound(gate, gate_world, gate_world.phone())
    typed(page, card)
    assert decision(page) == "allow"
    gate_world.until(f"/v1/visits?person={gate_world.people['汤点名']}", bool)
    gone(page)
    page.click("#tile-more")
    page.click("#sheet .plain:has-text('Roll call')")
    page.select_option("#sheet select", "compound")
    held(page, "#sheet .go")
    on_duty(page, operator, "6402")
    page.wait_for_selector("#sheet .roll")
    assert "汤点名" in page.inner_text("#sheet .roll")
    faults = axe_faults(page)
    page.click("#sheet .tick:has-text('汤点名')")
    page.wait_for_selector("#sheet .tick[aria-checked=true]:has-text('汤点名')")
    soon(page, "document.querySelector('#sheet .say').textContent.startsWith('1 of ')")
    rows = logged(gate_world, "gate.rollcall")
    assert gate_world.people["汤点名"] in {row.person for row in rows}
    assert not faults
    # Names are on the screen and nowhere else; ticks are there again after a reload.
    soon(page, "window.gate.store.secret('roll').then((kept) => kept?.ticks.length === 1)")


def test_a_guest_comes_in_with_the_hosts_word_and_leaves_with_the_slip(gate_world: World, gate: Any) -> None:
    gate_world.person("方房东", unit="7-3-1102")
    operator = gate_world.guard("7715")
    page = bound(gate, gate_world, gate_world.phone())
    page.click("#tile-more")
    page.click("#sheet .plain:has-text('Go on duty')")
    on_duty(page, operator, "7715")
    page.wait_for_selector("#sheet", state="hidden")
    page.click("#tile-guest")
    page.click("#sheet .go")
    assert "unit" in page.inner_text("#sheet .wrong")
    digits(page, "7", "next", "3", "next", "1", "1", "0", "2")
    page.click("#sheet .go")
    assert "host" in page.inner_text("#sheet .wrong")
    page.click("#sheet button:text-is('Yes, by phone')")
    faults = [f"guest: {fault}" for fault in axe_faults(page)]
    page.click("#sheet .go")
    page.wait_for_selector("#sheet .slip svg")
    faults += [f"slip: {fault}" for fault in axe_faults(page)]
    slip = page.evaluate("window.gate.desk.entries[0].content.pass")
    page.click("#sheet .go")
    visitors = gate_world.until(
        "/v1/visitors?community=garden", lambda rows: any(row["state"] == "inside" for row in rows)
    )
    assert len(visitors) == 1
    soon(page, "window.gate.desk.working.then(() => !document.querySelector('#sheet'))")
    page.evaluate("window.gate.desk.setDirection({ direction: 'out', locked: true })")
    gone(page)
    typed(page, slip)
    assert decision(page) in ("allow", "check")
    if decision(page) == "check":  # the list with the new pass comes within five seconds
        page.click("#result .act.second")
    gate_world.until("/v1/visitors?community=garden", lambda rows: all(row["state"] != "inside" for row in rows))
    assert not faults


def test_the_full_name_shows_while_it_is_held_on_duty_and_is_on_record(gate_world: World, gate: Any) -> None:
    gate_world.person("司马全名")
    card, operator = gate_world.card("司马全名"), gate_world.guard("8846")
    gate_world.parts.passes.revoke(MANAGER, gate_world.pass_id("司马全名"))
    page = bound(gate, gate_world, gate_world.phone())
    typed(page, card)
    assert decision(page) == "stop"
    name = "#result .card h3 button"
    page.locator(name).hover()
    page.mouse.down()
    page.wait_for_timeout(600)
    assert "司马全名" not in page.inner_text("#result")
    page.mouse.up()
    page.click("#result .act.first")
    page.click("#tile-more")
    page.click("#sheet .plain:has-text('Go on duty')")
    on_duty(page, operator, "8846")
    page.wait_for_selector("#sheet", state="hidden")
    page.evaluate("window.gate.camera.last = { text: null, ms: 0 }")
    typed(page, card)
    decision(page)
    page.locator(name).hover()
    page.mouse.down()
    page.wait_for_selector(f"{name}:has-text('司马全名')")
    page.mouse.up()
    page.wait_for_selector(f"{name}:not(:has-text('司马全名'))")
    assert {row.person for row in logged(gate_world, "gate.name")} == {gate_world.people["司马全名"]}


def test_a_line_of_paper_is_entered_with_its_own_time(gate_world: World, gate: Any) -> None:
    page = bound(gate, gate_world, gate_world.phone())
    page.click("#tile-more")
    page.click("#sheet .plain:has-text('Paper')")
    digits(page, "5", "next", "2", "next", "4", "0", "1")
    wanted = page.evaluate("Math.floor((Date.now() - 3 * 3600e3) / 60e3) * 60e3")
    text = page.evaluate(
        "(ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60e3).toISOString().slice(0, 16)", wanted
    )
    page.fill("#sheet input[type=datetime-local]", text)
    faults = axe_faults(page)
    page.click("#sheet .go")
    gate_world.until(
        "/v1/passages", lambda rows: any(row["at_ms"] == wanted and row["method"] == "manual" for row in rows)
    )
    assert not faults
