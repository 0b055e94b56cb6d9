"""The gate on its worst days: no network, a failing server, old lists, and the most people."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError

from tests.browser.gate_world import (
    MANAGER,
    SCAN_ALL,
    World,
    bound,
    cards,
    chromium,
    decision,
    film,
    gone,
    kill_browser,
    listed,
    newer_list,
    offline,
    online,
    qr_picture,
    soon,
    typed,
)

pytestmark = pytest.mark.browser
SHOWN_S = 1.5


def evidence(world: World, device: str) -> list[tuple[int, int]]:
    """(boot, seq) of every scan of a device that became part of a passage."""
    rows = [each for passage in world.get("/v1/passages?limit=1000") for each in passage["evidence"]]
    return sorted((boot, seq) for of, boot, seq in rows if of == device)


def codes_before_the_camera(world: World, chromium_path: str, folder: Path, count: int) -> None:
    shots = [(qr_picture(card), SHOWN_S) for card in cards(world, f"队列{count}-", count)]
    camera = film(folder / "queue.mjpeg", [(None, 8), *shots, (None, 6)])
    with chromium(chromium_path, camera) as context:
        page = bound(context, world, world.phone())
        soon(page, f"window.gate.desk.recent.size >= {count}", 200)  # each pass once, however often it was read
        page.wait_for_timeout(2_000)
        soon(page, "window.gate.queue.size === 0")
        assert page.evaluate("window.gate.desk.entries.every((entry) => entry.decision.decision === 'allow')")
    people = [world.people[f"队列{count}-{number}"] for number in range(count)]
    passed = {person: world.get(f"/v1/passages?person={person}") for person in people}
    assert all(passed.values()), "somebody held a code up and was missed"
    times = [rows[0]["at_ms"] for rows in passed.values()]
    # The film goes round: whoever was missed and read a round later breaks the order a second time.
    gaps = [after - before for before, after in zip(times, times[1:] + times[:1], strict=True)]
    assert sum(gap < 0 for gap in gaps) == 1, gaps
    assert 60_000 / statistics.median(gaps) >= 30


def test_eight_codes_one_every_second_and_a_half_are_all_let_in(
    gate_world: World, chromium_path: str, tmp_path: Path
) -> None:
    codes_before_the_camera(gate_world, chromium_path, tmp_path, 8)


@pytest.mark.slow
def test_forty_codes_one_every_second_and_a_half_are_all_let_in(
    gate_world: World, chromium_path: str, tmp_path: Path
) -> None:
    codes_before_the_camera(gate_world, chromium_path, tmp_path, 40)


def test_a_day_of_five_hundred_scans_without_network_arrives_once(gate_world: World, gate: Any) -> None:
    shown = cards(gate_world, "整日", 10)
    device = gate_world.phone()
    page = bound(gate, gate_world, device)
    offline(page)
    page.evaluate(SCAN_ALL, shown * 50)
    assert page.evaluate("window.gate.queue.size") == 500
    assert "500" in page.inner_text("#net")
    online(gate)
    soon(page, "window.gate.queue.size === 0")
    gate_world.until("/v1/passages", lambda _: len(evidence(gate_world, device.device)) == 500)
    assert len(set(evidence(gate_world, device.device))) == 500


@pytest.mark.slow
def test_five_thousand_scans_survive_a_flat_battery(
    gate_world: World, chromium_path: str, blank: Path, tmp_path: Path
) -> None:
    shown, device, profile = cards(gate_world, "五千", 20), gate_world.phone(), tmp_path / "profile"
    with pytest.raises(PlaywrightError), chromium(chromium_path, blank, profile) as context:  # noqa: PT012
        page = bound(context, gate_world, device)
        offline(page)
        for _ in range(25):
            page.evaluate(SCAN_ALL, shown * 10)
        soon(page, "window.gate.queue.size === 5000 && window.gate.queue.writing === 0")
        kill_browser(profile)
        page.evaluate("1")
    with chromium(chromium_path, blank, profile) as context:
        page = context.pages[0]
        context.route("**/v1/reports", lambda route: route.abort())
        page.goto(gate_world.server.url + "/gate")
        listed(page)
        assert page.evaluate("window.gate.queue.size") == 5000
        context.unroute("**/v1/reports")
        soon(page, "window.gate.queue.size === 0", 120)
    with gate_world.core.db.read() as tx:
        kept = tx.exec_driver_sql("SELECT count(*) FROM reports WHERE device = ?", (device.device,)).scalar()
    assert kept == 5000


def test_a_server_that_fails_and_hangs_loses_nothing_and_stops_nobody(gate_world: World, gate: Any) -> None:
    first, second = cards(gate_world, "故障", 2)
    device = gate_world.phone()
    page = bound(gate, gate_world, device)
    tried: list[str] = []

    def failing(route: Any) -> None:
        tried.append("500" if len(tried) % 2 else "timeout")
        if tried[-1] == "500":
            route.fulfill(status=500, body="")
        else:
            route.abort("timedout")

    gate.route("**/v1/**", failing)
    typed(page, first)
    assert decision(page) == "allow"
    gone(page)
    typed(page, second)
    assert decision(page) == "allow"
    soon(page, "window.gate.link.online === false && window.gate.queue.size === 2 && window.gate.link.failures >= 2")
    assert {"500", "timeout"} <= set(tried)
    gate.unroute("**/v1/**")
    page.evaluate("window.gate.link.wake()")
    soon(page, "window.gate.queue.size === 0")
    gate_world.until("/v1/passages", lambda _: len(evidence(gate_world, device.device)) == 2)


def test_what_the_server_cannot_take_lies_in_a_tray_and_holds_nothing_up(gate_world: World, gate: Any) -> None:
    shown = cards(gate_world, "毒丸", 3)
    device = gate_world.phone()
    page = bound(gate, gate_world, device)

    def picky(route: Any) -> None:
        seqs = [report["seq"] for report in json.loads(route.request.post_data)["reports"]]
        if 1 in seqs:
            route.fulfill(status=422, body=json.dumps({"title": "no"}), content_type="application/problem+json")
        else:
            route.continue_()

    gate.route("**/v1/reports", picky)
    page.evaluate(SCAN_ALL, shown)
    soon(page, "window.gate.queue.size === 1 && window.gate.queue.refused === 1")
    soon(page, "document.querySelector('#say-hint').textContent.includes('1 records cannot be sent')")
    page.reload()  # and it still lies there
    listed(page)
    assert page.evaluate("window.gate.queue.refused") == 1
    page.click("#net")
    page.wait_for_selector("#sheet .list li")
    assert page.locator("#sheet .list li").count() == 1
    gate.unroute("**/v1/reports")
    page.click("#sheet .plain:has-text('Try again')")
    soon(page, "window.gate.queue.size === 0")
    gate_world.until("/v1/passages", lambda _: len(evidence(gate_world, device.device)) == 3)


def test_a_pass_revoked_while_the_gate_is_offline_is_stopped_as_soon_as_it_is_online(
    gate_world: World, gate: Any
) -> None:
    [card] = cards(gate_world, "离线停用", 1)
    page = bound(gate, gate_world, gate_world.phone())
    offline(page)
    gate_world.parts.passes.revoke(MANAGER, gate_world.pass_id("离线停用0"))
    typed(page, card)
    assert decision(page) == "allow"  # the list is all there is
    gone(page)
    newer_list(page, lambda: online(gate))
    page.evaluate("window.gate.desk.recent.clear()")
    typed(page, card)
    assert decision(page) == "stop"


def test_an_old_list_is_said_to_be_old_and_decides_nothing_after_two_weeks(gate_world: World, gate: Any) -> None:
    [card] = cards(gate_world, "旧名单", 1)
    page = bound(gate, gate_world, gate_world.phone())
    offline(page)
    page.evaluate("window.gate.list.head.header.issued_ms -= 26 * 3600e3")
    soon(page, "document.querySelector('.say').classList.contains('warn')")
    assert "old" in page.inner_text("#say-hint")
    typed(page, card)
    assert decision(page) == "allow"
    gone(page)
    page.evaluate("window.gate.list.head.header.issued_ms -= 15 * 86400e3; window.gate.desk.recent.clear()")
    typed(page, card)
    assert decision(page) == "check"
    assert "14 days" in page.inner_text("#result")


def test_a_courier_takes_six_taps_at_most_with_a_unit(gate_world: World, gate: Any) -> None:
    page = bound(gate, gate_world, gate_world.phone())
    page.evaluate("window.taps = 0; addEventListener('click', (event) => { window.taps += event.isTrusted; }, true)")
    page.click("#tile-courier")
    for key in ("7", "next", "3"):
        page.click("#sheet .pad button:last-child" if key == "next" else f"#sheet .pad button:text-is('{key}')")
    page.click("#sheet .go")
    assert decision(page) == "allow"
    assert page.evaluate("window.taps") <= 6
