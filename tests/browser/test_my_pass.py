"""My pass on a resident's phone: claimed with a slip, shown without network, refused when stopped or stale."""

from __future__ import annotations

import io
import re
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from community_flow.domain import passes as cf1
from community_flow.wiring.registry import registry_parts
from sensors.qr import method_of, reader
from tests.browser.gate_world import (
    DUMP,
    MANAGER,
    World,
    another,
    bound,
    chromium,
    decision,
    film,
    gone,
    kept,
    newer_list,
    qr_picture,
    soon,
    typed,
)
from tests.browser.walk import axe_faults

pytestmark = pytest.mark.browser
WECHAT = "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 Chrome/116 Mobile Safari/537.36 MicroMessenger/8.0.42"


WORKER = "/me/sw.js"
CODE = "Boolean(document.querySelector('#code')?.width)"


@pytest.fixture
def phones(gate: Any) -> Any:
    """The resident's phone; the guard's is another in the same browser."""
    return gate


def slip(world: World, name: str, folder: Path) -> str:
    """The address on a printed slip, read from its QR code as a phone would."""
    page = f"{world.server.url}/me/pass"
    pdf = registry_parts(world.core).slips.print(MANAGER, "garden", page, persons=[world.people[name]])
    path = folder / "slip.pdf"
    path.write_bytes(pdf)
    subprocess.run(["pdftoppm", "-r", "150", "-png", "-singlefile", str(path), str(path.with_suffix(""))], check=True)
    [address] = reader()(cv2.imread(str(path.with_suffix(".png"))))
    assert re.fullmatch(re.escape(page) + r"#[A-Z2-9]{5}-[A-Z2-9]{5}", address)
    return address


def claimed(context: Any, address: str) -> Any:
    page = context.new_page()
    page.on("pageerror", lambda error: (_ for _ in ()).throw(AssertionError(str(error))))
    page.goto(address)
    page.click("#claim")
    soon(page, CODE)
    return page


REDRAWN = """() => new Promise((done) => {
  const drawn = new MutationObserver(() => (drawn.disconnect(), done()));
  // The page may be drawn anew meanwhile: the canvas of now need not be the one that is drawn on.
  drawn.observe(document.body, { subtree: true, attributeFilter: ["width"] });
  document.dispatchEvent(new Event("visibilitychange"));
})"""


def shown(page: Any) -> str:
    """What a camera reads off the phone's screen now."""
    page.bring_to_front()
    page.evaluate(REDRAWN)
    picture = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    texts = [text for text in reader()(picture) if method_of(text)]
    assert len(texts) == 1
    return texts[0]


def told(gate: Any, code: str) -> tuple[str, str]:
    """What the gate says of a code that a reader types."""
    before = gate.evaluate("window.gate.desk.entries.length")
    gate.bring_to_front()
    typed(gate, code)
    soon(gate, f"window.gate.desk.entries.length > {before}")
    reason = gate.evaluate("window.gate.desk.entries[0].decision.reason")
    return decision(gate), reason


def time_of(code: str) -> int:
    token = cf1.decode(code)
    assert isinstance(token, cf1.Token)
    assert token.token_s is not None
    return token.token_s


def test_a_claimed_phone_is_admitted_offline_and_refused_when_stopped_or_stale(
    gate_world: World, phones: Any, tmp_path: Path
) -> None:
    name = "买买提江·吐尔逊"
    gate_world.person(name)
    address = slip(gate_world, name, tmp_path)
    mine = claimed(phones, address)
    kept(mine, WORKER)
    gate = bound(another(phones.browser), gate_world, gate_world.phone())
    first = shown(mine)

    phones.set_offline(True)
    mine.reload()
    soon(mine, CODE)
    mine.wait_for_timeout(10_500)
    later = shown(mine)
    assert time_of(later) >= time_of(first) + 10, "the code was not redrawn without network"

    soon(gate, "window.gate.link.online !== false")
    assert told(gate, later) == ("allow", "ok")

    [held] = [
        each
        for each in gate_world.get("/v1/passes")
        if each["kind"] == "phone" and each["person"] == gate_world.people[name]
    ]
    newer_list(gate, lambda: gate_world.parts.passes.revoke(MANAGER, held["pass"]))
    assert told(gate, shown(mine))[0] == "stop"


def test_what_did_not_come_to_be_kept_is_fetched_when_the_app_begins_again(
    gate_world: World, phones: Any, tmp_path: Path
) -> None:
    gate_world.person("李缺件")
    mine = claimed(phones, slip(gate_world, "李缺件", tmp_path))
    kept(mine, WORKER)
    lost = mine.evaluate(
        "caches.keys().then(([name]) => caches.open(name)).then((cache) => cache.delete('/scanner/camera.js'))"
    )
    assert lost is True
    mine.reload()
    kept(mine, WORKER)


def test_a_screenshot_is_refused_a_minute_later(gate_world: World, phones: Any, tmp_path: Path) -> None:
    gate_world.person("林晓梅")
    mine = claimed(phones, slip(gate_world, "林晓梅", tmp_path))
    gate = bound(another(phones.browser), gate_world, gate_world.phone())
    copied = shown(mine)
    gate.evaluate("{ const real = Date.now; Date.now = () => real() + 60_000; }")
    said, reason = told(gate, copied)
    assert (said, reason) == ("check", "clock_skew")


def test_a_slip_works_once_and_a_new_phone_stops_the_lost_one(gate_world: World, phones: Any, tmp_path: Path) -> None:
    gate_world.person("赵一")
    address = slip(gate_world, "赵一", tmp_path)
    lost = claimed(phones, address)
    other = another(phones.browser)
    page = other.new_page()
    page.goto(address)
    page.click("#claim")
    soon(page, "document.querySelector('.wrong').textContent.includes('ask the desk')")
    claimed(other, slip(gate_world, "赵一", tmp_path))
    states = [each["status"] for each in gate_world.get("/v1/passes") if each["person"] == gate_world.people["赵一"]]
    assert sorted(states) == ["active", "revoked"]
    lost.reload()
    soon(lost, "Boolean(document.querySelector('#stopped'))")


def test_the_owner_sees_what_is_kept_and_who_looked_and_the_key_stays_in_the_phone(
    gate_world: World, phones: Any, tmp_path: Path
) -> None:
    gate_world.person("钱二", "7-3-1103")
    mine = claimed(phones, slip(gate_world, "钱二", tmp_path))
    mine.click("#look")
    soon(mine, "Boolean(document.querySelector('#looks'))")
    assert "7-3-1103" in mine.inner_text("#about")
    assert "printed a slip for a phone" in mine.inner_text("#looks")
    dump = "\n".join(mine.evaluate(DUMP))
    assert "CryptoKey extractable=false" in dump
    assert "CryptoKey extractable=true" not in dump
    mine.click("#end")
    mine.click("#end")
    soon(mine, "Boolean(document.querySelector('#stopped'))")


def test_every_view_is_usable_by_everybody(gate_world: World, phones: Any, tmp_path: Path) -> None:
    gate_world.person("孙三")
    address = slip(gate_world, "孙三", tmp_path)
    page = phones.new_page()
    page.goto(gate_world.server.url + "/me")
    assert page.url.endswith("/me/pass"), "a stranger at /me finds the app"
    soon(page, "Boolean(document.querySelector('#claim'))")
    assert_usable(page)
    page.close()
    page = claimed(phones, address)
    page.click("#look")
    soon(page, "Boolean(document.querySelector('#looks'))")
    assert_usable(page)


def test_what_is_being_read_stays_when_the_page_learns_something(
    gate_world: World, phones: Any, tmp_path: Path
) -> None:
    """A slow line: the answer to what the page asked by itself comes when its owner already reads who looked."""
    gate_world.person("周五")
    asked: list[Any] = []
    phones.route("**/v1/me/passes", lambda route: asked.append(route))  # noqa: PLW0108 - Playwright marks what it calls
    page = claimed(phones, slip(gate_world, "周五", tmp_path))
    page.click("#look")
    soon(page, "Boolean(document.querySelector('#looks'))")
    while not asked:  # the test's own time limit ends it; Playwright hands over requests only while it is called
        page.wait_for_timeout(20)
    assert len(asked) == 1
    child = {
        "pass": "k_aaaaaaaaaaaa",
        "handle": "AAAAAAAAAAA",
        "name": "周小五",
        "relation": "household",
        "sees": False,
    }
    asked[0].fulfill(json={"items": [child | {"until_ms": int(time.time() * 1000) + 86_400_000}]})
    soon(page, "Boolean(document.querySelector('#people'))")
    assert page.query_selector("#looks") is not None


def assert_usable(page: Any) -> None:
    for width, height in ((390, 844), (1440, 900)):
        for theme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=theme)
            assert axe_faults(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_inside_wechat_it_says_how_to_open_the_browser(gate_world: World, phones: Any) -> None:
    page = another(phones.browser, user_agent=WECHAT, locale="zh-CN").new_page()
    page.goto(gate_world.server.url + "/me/pass#AAAAA-AAAAA")
    soon(page, "Boolean(document.querySelector('#wechat'))")
    assert "在浏览器打开" in page.inner_text("#wechat")
    assert page.query_selector("#claim") is None
    assert axe_faults(page) == []


def asked(gate: Any, start: str = "window.gate.desk.asking.begin()") -> str:
    """The number that the guard's screen shows, after something made it ask."""
    gate.bring_to_front()
    gate.evaluate(f"() => {{ {start}; }}")
    soon(gate, "Boolean(document.querySelector('#ask canvas')?.width)")
    return str(gate.inner_text("#ask-number"))


def asleep(gate: Any) -> None:
    """Nobody has the camera open, so whoever opens it next sees the newest film."""
    gate.evaluate("() => window.gate.camera.sleep()")
    gate.wait_for_timeout(3_000)  # Chromium ends its capture some time after the last track, and tells nobody


def answered(mine: Any, number: str) -> str:
    """The code of a phone on which the number was typed."""
    mine.bring_to_front()
    mine.click("#asked")
    mine.type("#number", number)
    soon(mine, "Boolean(document.querySelector('#answering'))")
    return shown(mine)


def test_a_phone_answers_the_number_on_the_guards_screen_by_camera_both_ways_and_offline(
    gate_world: World, chromium_path: str, tmp_path: Path
) -> None:
    gate_world.person("李四")
    seen = film(tmp_path / "seen.mjpeg", [(None, 0.5)])
    with chromium(chromium_path, seen) as phones:
        mine = claimed(phones, slip(gate_world, "李四", tmp_path))
        kept(mine, WORKER)
        office = another(phones.browser)
        gate = bound(office, gate_world, gate_world.phone())
        kept(gate)
        for context in (phones, office):
            context.set_offline(True)
        number = asked(gate)
        screen = Image.open(io.BytesIO(gate.locator("#ask canvas").screenshot())).convert("RGB")
        asleep(gate)
        film(seen, [(screen.resize((500, 500)), 1)])
        mine.bring_to_front()
        mine.click("#asked")
        mine.click("#scan")
        soon(mine, "Boolean(document.querySelector('#answering'))")
        assert number in mine.inner_text("#answering")
        film(seen, [(qr_picture(shown(mine)), 1)])
        asleep(gate)
        gate.bring_to_front()
        gate.evaluate("() => window.gate.camera.wake()")
        assert decision(gate) == "allow"
        assert gate.query_selector("#ask") is None
        for context in (phones, office):
            context.set_offline(False)
        [passage] = gate_world.until(
            "/v1/passages?community=garden",
            lambda items: any(each["person"] for each in items[-1:]) and items[-1]["assurance"] == 3,
        )[-1:]
        assert passage["method"] == "rotating"


def test_only_an_answer_to_its_own_fresh_number_is_taken(gate_world: World, phones: Any, tmp_path: Path) -> None:
    gate_world.person("周五")
    gate_world.person("郑七")
    card = gate_world.card("郑七")
    mine = claimed(phones, slip(gate_world, "周五", tmp_path))
    gate = bound(another(phones.browser), gate_world, gate_world.phone())
    code = answered(mine, "000 000" if asked(gate) != "000 000" else "111 111")
    assert told(gate, code) == ("check", "replayed_code")
    assert "type the one on the guard's screen" in gate.inner_text("#result")
    again = "document.querySelector('#result .side.wide').click()"
    old = answered_anew(mine, asked(gate, again))
    asked(gate)
    assert told(gate, old) == ("check", "replayed_code")
    assert "ask for a new one" in gate.inner_text("#result")
    number = asked(gate, again)
    good = answered_anew(mine, number)
    mine.click("#ordinary")
    plain = shown(mine)
    gate.bring_to_front()
    typed(gate, plain)
    soon(gate, "document.querySelector('#ask-say').textContent.includes('No answer yet')")
    assert told(gate, good) == ("allow", "ok")
    gone(gate)
    gate.wait_for_timeout(5_000)
    assert told(gate, good) == ("allow", "duplicate")
    asked(gate)
    assert told(gate, card) == ("check", "replayed_code")


def answered_anew(mine: Any, number: str) -> str:
    mine.bring_to_front()
    mine.click("#ordinary")
    return answered(mine, number)


def test_a_gate_that_asks_every_phone_shows_a_number_by_itself_and_lets_cards_in(
    gate_world: World, phones: Any, tmp_path: Path
) -> None:
    gate_world.person("吴六")
    rules = registry_parts(gate_world.core).rules
    rules.set_gate(MANAGER, "garden", "east", {"challenge": True})
    mine = claimed(phones, slip(gate_world, "吴六", tmp_path))
    gate = bound(another(phones.browser), gate_world, gate_world.phone())
    plain = shown(mine)
    gate.bring_to_front()
    typed(gate, plain)
    soon(gate, "Boolean(document.querySelector('#ask canvas')?.width)")
    assert gate.evaluate("window.gate.desk.entries.length") == 0
    assert told(gate, answered(mine, gate.inner_text("#ask-number"))) == ("allow", "ok")
    gone(gate)
    rules.set_gate(MANAGER, "garden", "east", {"challenge": False})


def test_a_phone_shows_the_passes_of_others_and_its_requests_reach_the_office(
    gate_world: World, phones: Any, tmp_path: Path
) -> None:
    parts = registry_parts(gate_world.core)
    mother, child = gate_world.person("王芳", "8-1-801"), gate_world.person("王小明", "8-1-801")
    until_ms = gate_world.core.clock.now_ms() + 30 * 86_400_000
    keeping = parts.keepers.bind(MANAGER, child, mother, "household", until_ms, sees=True)
    mine = claimed(phones, slip(gate_world, "王芳", tmp_path))
    soon(mine, "Boolean(document.querySelector('#people'))")
    gate = bound(another(phones.browser), gate_world, gate_world.phone())
    assert told(gate, shown(mine)) == ("allow", "ok")  # at once: a code is good for less than a minute
    assert gate.inner_text("#result h3") == "王*"
    gone(gate)
    mine.bring_to_front()
    mine.click("#people button >> nth=1")
    soon(mine, "document.querySelector('#whose').textContent === '王小明'")
    phones.set_offline(True)
    mine.reload()
    soon(mine, f"document.querySelector('#whose')?.textContent === '王小明' && {CODE}")
    childs = shown(mine)
    phones.set_offline(False)
    assert told(gate, childs) == ("allow", "ok")
    assert gate.inner_text("#result h3") == "王*明"

    mine.bring_to_front()
    mine.click("#look")
    soon(mine, "Boolean(document.querySelector('#request'))")
    assert "looked as the household member" in mine.inner_text("#looks")
    mine.select_option("#request-kind", "correction")
    mine.fill("#request-text", "楼栋写错了")
    mine.click("#request")
    soon(mine, "document.querySelector('#requests')?.textContent.includes('not answered yet')")
    [waiting] = parts.requests.rows(MANAGER)
    assert (waiting.request.person, waiting.request.text) == (child, "楼栋写错了")
    parts.requests.settle(MANAGER, waiting.request.request, "done", "已更正")
    mine.click("#people button >> nth=0")
    mine.click("#people button >> nth=1")
    mine.click("#look")
    soon(mine, "document.querySelector('#requests')?.textContent.includes('已更正')")
    assert_usable(mine)
    mine.set_viewport_size({"width": 390, "height": 844})
    mine.evaluate("scrollTo(0, 0)")

    phones.set_offline(True)  # a phone that hears of it shows the code no more
    newer_list(gate, lambda: parts.keepers.end(MANAGER, keeping))
    assert told(gate, shown(mine))[0] == "stop"
    phones.set_offline(False)
    mine.reload()
    soon(mine, f"!document.querySelector('#people') && {CODE}")
    assert mine.inner_text("#whose") == "王芳"


SIGNED = """{
  window.signed = [];
  const real = crypto.subtle.sign.bind(crypto.subtle);
  crypto.subtle.sign = async (how, key, message) => {
    const at = Date.now();
    const made = await real(how, key, message);
    const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
    window.signed.push([at, hex(message), hex(made)]);
    return made;
  };
}"""


def test_all_day_offline_it_redraws_every_ten_seconds_with_right_codes_across_a_reload(
    gate_world: World, phones: Any, tmp_path: Path
) -> None:
    gate_world.person("陈八")
    mine = claimed(phones, slip(gate_world, "陈八", tmp_path))
    kept(mine, WORKER)
    mine.add_init_script(SIGNED)
    phones.set_offline(True)
    mine.clock.install()
    mine.reload()
    soon(mine, CODE)
    start_s = time_of(shown(mine))
    loads: list[list[list[Any]]] = [[]]
    for hour in range(24):
        mine.clock.run_for(3_600_000)
        soon(mine, "window.signed.length >= 360")
        if hour % 6 == 5:
            code = shown(mine)
            token = cf1.decode(code)
            assert isinstance(token, cf1.Token)
            assert cf1.clock_good(token, mine.evaluate("Date.now()")), (
                f"after {hour + 1} h an old code is on the screen"
            )
        loads[-1] += mine.evaluate("window.signed.splice(0)")
        if hour == 11:
            mine.reload()
            soon(mine, CODE)
            loads.append([])
    assert time_of(code) - start_s >= 24 * 3600
    with gate_world.core.db.read() as tx:
        [held] = gate_world.parts.passes.of_persons(tx, MANAGER, [gate_world.people["陈八"]])
    rows = [row for load in loads for row in load]
    assert len(rows) >= 24 * 360
    # One that was left out would be twenty seconds; the clock goes on between the hours, and a machine may be late.
    assert max(later[0] - before[0] for load in loads for before, later in pairwise(load)) <= 15_000
    for at_ms, message, signature in rows:
        assert cf1.signature_good(held.row.public_key or b"", bytes.fromhex(signature), bytes.fromhex(message))
        assert 0 <= at_ms // 1000 - int(message[-8:], 16) - cf1.EPOCH_S <= 1
    last = cf1.decode(code)
    assert isinstance(last, cf1.Token)
    assert last.signature.hex() in {row[2] for row in rows}
