"""Every page, looked at as people do: accessible, both themes, phone and desktop, both languages, nothing sideways."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from community_flow.app import create_app
from community_flow.demo.plan import Plan
from community_flow.domain.scope import Role, Scope
from community_flow.settings import Settings
from community_flow.wiring.demo import demo_parts
from tests.browser.walk import (
    AXE,
    LANGUAGES,
    LOCALES,
    LOOKS,
    PATHS,
    axe_faults,
    chromium,
    opener,
    settle,
    sign_in,
    speak,
)
from tests.conftest import prepared, serving
from tests.services import patient

pytestmark = pytest.mark.browser


@dataclass
class Site:
    """A real server with the demo's accounts of every role, and a browser that stays signed in."""

    url: str
    app: Flask
    browser: Any
    states: dict[tuple[Role | None, str], Any]

    def page(self, role: Role | None, language: str) -> Any:
        """A fresh page of that role's profile."""
        known = self.states.get((role, language))
        context = patient(self.browser.new_context(storage_state=known, locale=LOCALES[language]))
        page = context.new_page()
        if known is None:
            if role is not None:
                sign_in(page, self.url, self._link(role))
            speak(page, self.url, language)
            self.states[(role, language)] = context.storage_state()
        return page

    def _link(self, role: Role) -> str:
        core = self.app.extensions["flow"]
        account = next(each for each in core.accounts.list(Scope.system(())) if each.role is role)
        link: str = core.accounts.make_link(account, "test")
        return link


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> Iterator[Site]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("pages") / "var", demo=True)
    core = prepared(settings)
    parts = demo_parts(core)
    # Small, but with everything on the pages: people, cases under an order, anomalies, a day of flow, the tour.
    parts.folder.keep_plan(Plan(80, 2, 7, core.clock.now_ms(), settings.timezone))
    parts.loader.run()
    core.db.close()
    app = create_app(settings)
    with serving(settings, FLOW_DEMO="1") as server, chromium(chromium_path) as browser:
        yield Site(server.url, app, browser, {})
    app.extensions["flow"].db.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PATHS)
def test_page_is_accessible_and_fits(site: Site, path: str, language: str) -> None:
    page = site.page(opener(site.app, path), language)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # A refusal by the content policy, or a script that is not there, shows in the console only.
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto(site.url + path)
    settle(page)
    assert page.locator("html").get_attribute("lang")[:2] == language
    found = []
    for look in LOOKS:
        look.put_on(page)
        found += [f"{look.size} {look.theme}: {fault}" for fault in axe_faults(page)]
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        found += [f"{look.size}: {wide} px too wide"] if wide > 0 else []
    assert not found, "\n".join(found)
    # The address that is not there says so in the console too.
    assert not [error for error in errors if path != "/nowhere" or "404" not in error]
    page.context.close()


def test_somebody_not_signed_in_is_led_to_the_sign_in(site: Site) -> None:
    page = site.page(None, "en")
    page.goto(site.url + "/")
    assert "/login" in page.url
    assert page.get_by_role("heading", name="Sign in").is_visible()
    page.context.close()


def test_theme_switch_stays_after_reload(site: Site) -> None:
    page = site.page(None, "en")
    page.emulate_media(color_scheme="light")
    page.goto(site.url + "/login")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.locator("[data-theme-switch]:visible").first.click()
    dark = page.evaluate(background)
    page.reload()
    assert page.evaluate(background) == dark != light
    page.context.close()


def test_more_sheet_opens_and_closes_by_keyboard(site: Site) -> None:
    page = site.page(Role.MANAGER, "en")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(site.url + "/privacy")
    page.get_by_role("button", name="More").press("Enter")
    page.locator("#more-sheet").wait_for()
    page.keyboard.press("Escape")
    page.locator("#more-sheet").wait_for(state="hidden")
    page.context.close()


def test_disabling_an_account_asks_first(site: Site) -> None:
    page = site.page(Role.MANAGER, "en")
    page.goto(site.url + "/users")
    row = page.get_by_role("row").filter(has_text="demo-steward")
    row.get_by_role("button", name="Disable").click()
    page.get_by_role("button", name="Cancel").click()
    assert row.get_by_text("active").is_visible()
    page.context.close()


def test_a_scan_moves_the_number(site: Site) -> None:
    page = site.page(Role.MANAGER, "en")
    page.goto(site.url + "/")
    settle(page)
    entries = page.locator("#live-figures .figure-value").nth(1)
    before = entries.text_content()
    page.locator('[data-present="resident"]').click()
    page.wait_for_function(
        "before => document.querySelectorAll('#live-figures .figure-value')[1].textContent !== before",
        arg=before,
    )
    page.context.close()


def test_axe_is_installed() -> None:
    assert AXE.exists(), "run `make setup`: it installs axe-core"
