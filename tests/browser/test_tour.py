"""The tour as a newcomer walks it: a real server, a real browser, a small demo community."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from community_flow.demo.folder import DemoFolder
from community_flow.demo.plan import Plan
from community_flow.settings import Settings
from tests.conftest import LiveServer, serving
from tests.services import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def touring(sqlite_settings: Settings) -> Iterator[LiveServer]:
    sqlite_settings.data_dir.mkdir(parents=True)
    until_ms = time.time_ns() // 1_000_000
    DemoFolder(sqlite_settings.data_dir).keep_plan(Plan(people=60, days=3, seed=5, until_ms=until_ms))
    with serving(sqlite_settings, FLOW_DEMO="1") as server:
        yield server


def test_the_tour_from_the_first_page(touring: LiveServer, browser_page: Any) -> None:
    page = browser_page
    page.goto(touring.url + touring.login_link)
    page.click("main form button")
    page.wait_for_selector("#tour")
    page.wait_for_selector("#demo-loading", state="detached")

    def entries_and_exits() -> int:
        values = page.locator("#live-figures .figure-value").all_inner_texts()
        return int(values[1].replace(",", "")) + int(values[2].replace(",", ""))

    def pressed(key: str, tone: str) -> str:
        earlier = page.inner_text("#tour-result")
        page.keyboard.press(key)
        # The last answer may have had the same colour: wait for other words.
        wait_until(lambda: page.inner_text("#tour-result") != earlier, f"an answer to {key}")
        page.wait_for_selector(f"#tour-result.{tone}")
        page.wait_for_selector("#tour-queue", state="hidden")
        return str(page.inner_text("#tour-result"))

    before = entries_and_exits()
    pressed("1", "green")
    # The page's own policy forbids the evaluation that Playwright's wait_for_function needs.
    wait_until(lambda: entries_and_exits() == before + 1, "the live number moved")
    assert "second one" in pressed("2", "green")
    pressed("3", "red")
    assert "withdrawn" in pressed("4", "red")
    pressed("5", "green")
    pressed("6", "orange")

    page.click("#tour-network")
    page.keyboard.press("1")
    page.wait_for_selector("#tour-queue:not([hidden])")
    # The queue shows a moment before the sentence does.
    wait_until(lambda: "until the network is back" in page.inner_text("#tour-result"), "the sentence")
    page.click("#tour-network")
    page.wait_for_selector("#tour-queue", state="hidden")

    page.click("form[action$='/demo/as/resident'] button")
    page.wait_for_url("**/me")
    assert "log" in page.content()
