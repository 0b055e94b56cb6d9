"""My pass on a resident's phone: claimed with a slip, shown without network, refused when stopped or stale."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from community_flow.domain import passes as cf1
from community_flow.settings import Settings
from community_flow.wiring.registry import registry_parts
from sensors.qr import method_of, reader
from tests.browser.gate_world import DUMP, MANAGER, World, bound, chromium, decision, film, soon, typed, world
from tests.browser.walk import axe_faults

pytestmark = pytest.mark.browser
WECHAT = "Mozilla/5.0 (Linux; Android 13) AppleWebKit/537.36 Chrome/116 Mobile Safari/537.36 MicroMessenger/8.0.42"


@pytest.fixture(scope="module")
def flow_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("mine")
    with world(Settings(data_dir=folder / "var"), folder) as made:
        yield made


@pytest.fixture
def phones(chromium_path: str, tmp_path: Path) -> Iterator[Any]:
    with chromium(chromium_path, film(tmp_path / "blank.mjpeg", [(None, 0.5)])) as context:
        yield context


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
    soon(page, "Boolean(document.querySelector('#code')?.width)", 10)
    return page


def shown(page: Any) -> str:
    """What a camera reads off the phone's screen now."""
    page.bring_to_front()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(300)
    picture = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    texts = [text for text in reader()(picture) if method_of(text)]
    assert len(texts) == 1
    return texts[0]


def told(gate: Any, code: str) -> tuple[str, str]:
    """What the gate says of a code that a reader types."""
    before = gate.evaluate("window.gate.desk.entries.length")
    gate.bring_to_front()
    typed(gate, code)
    soon(gate, f"window.gate.desk.entries.length > {before}", 10)
    reason = gate.evaluate("window.gate.desk.entries.at(-1).decision.reason")
    return decision(gate), reason


def time_of(code: str) -> int:
    token = cf1.decode(code)
    assert isinstance(token, cf1.Token)
    assert token.token_s is not None
    return token.token_s


def test_a_claimed_phone_is_admitted_offline_and_refused_when_stopped_or_stale(
    flow_world: World, phones: Any, tmp_path: Path
) -> None:
    name = "买买提江·吐尔逊"
    flow_world.person(name)
    address = slip(flow_world, name, tmp_path)
    mine = claimed(phones, address)
    soon(mine, "navigator.serviceWorker.ready.then(() => true)")
    gate = bound(phones.browser.new_context(locale="en-GB"), flow_world, flow_world.phone())
    first = shown(mine)

    phones.set_offline(True)
    mine.reload()
    soon(mine, "Boolean(document.querySelector('#code')?.width)", 10)
    mine.wait_for_timeout(10_500)
    later = shown(mine)
    assert time_of(later) >= time_of(first) + 10, "the code was not redrawn without network"
    phones.set_offline(False)

    soon(gate, "window.gate.link.online !== false")
    assert told(gate, later) == ("allow", "ok")

    [held] = [
        each
        for each in flow_world.get("/v1/passes")
        if each["kind"] == "phone" and each["person"] == flow_world.people[name]
    ]
    flow_world.parts.passes.revoke(MANAGER, held["pass"])
    gate.wait_for_timeout(6_000)
    assert told(gate, shown(mine))[0] == "stop"


def test_a_screenshot_is_refused_a_minute_later(flow_world: World, phones: Any, tmp_path: Path) -> None:
    flow_world.person("林晓梅")
    mine = claimed(phones, slip(flow_world, "林晓梅", tmp_path))
    gate = bound(phones.browser.new_context(locale="en-GB"), flow_world, flow_world.phone())
    copied = shown(mine)
    gate.evaluate("{ const real = Date.now; Date.now = () => real() + 60_000; }")
    said, reason = told(gate, copied)
    assert (said, reason) == ("check", "clock_skew")


def test_a_slip_works_once_and_a_new_phone_stops_the_lost_one(flow_world: World, phones: Any, tmp_path: Path) -> None:
    flow_world.person("赵一")
    address = slip(flow_world, "赵一", tmp_path)
    lost = claimed(phones, address)
    other = phones.browser.new_context(locale="en-GB")
    page = other.new_page()
    page.goto(address)
    page.click("#claim")
    soon(page, "document.querySelector('.wrong').textContent.includes('ask the desk')")
    claimed(other, slip(flow_world, "赵一", tmp_path))
    states = [each["status"] for each in flow_world.get("/v1/passes") if each["person"] == flow_world.people["赵一"]]
    assert sorted(states) == ["active", "revoked"]
    lost.reload()
    soon(lost, "Boolean(document.querySelector('#stopped'))")


def test_the_owner_sees_what_is_kept_and_who_looked_and_the_key_stays_in_the_phone(
    flow_world: World, phones: Any, tmp_path: Path
) -> None:
    flow_world.person("钱二", "7-3-1103")
    mine = claimed(phones, slip(flow_world, "钱二", tmp_path))
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


def test_every_view_is_usable_by_everybody(flow_world: World, phones: Any, tmp_path: Path) -> None:
    flow_world.person("孙三")
    address = slip(flow_world, "孙三", tmp_path)
    page = phones.new_page()
    page.goto(flow_world.server.url + "/me")
    assert page.url.endswith("/me/pass"), "a stranger at /me finds the app"
    soon(page, "Boolean(document.querySelector('#claim'))")
    assert_usable(page)
    page.close()
    page = claimed(phones, address)
    page.click("#look")
    soon(page, "Boolean(document.querySelector('#looks'))")
    assert_usable(page)


def assert_usable(page: Any) -> None:
    for width, height in ((390, 844), (1440, 900)):
        for theme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=theme)
            assert axe_faults(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_inside_wechat_it_says_how_to_open_the_browser(flow_world: World, phones: Any) -> None:
    page = phones.browser.new_context(user_agent=WECHAT, locale="zh-CN").new_page()
    page.goto(flow_world.server.url + "/me/pass#AAAAA-AAAAA")
    soon(page, "Boolean(document.querySelector('#wechat'))")
    assert "在浏览器打开" in page.inner_text("#wechat")
    assert page.query_selector("#claim") is None
    assert axe_faults(page) == []
