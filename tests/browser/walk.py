"""Every page in every look: who can open it, signing in, switching language, size and theme."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask

from community_flow.domain.scope import Role
from community_flow.entrypoints.shell import PAGES, is_open
from tests.conftest import ROOT

SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
THEMES = ("light", "dark")
LANGUAGES = ("en", "zh")
LOCALES = {"en": "en-GB", "zh": "zh-CN"}
PATHS = ("/login", "/nowhere", *(page.path for group in PAGES for page in group.entries))
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--use-fake-ui-for-media-stream"]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OPENED_BY = (Role.MANAGER, Role.OFFICIAL, Role.STEWARD, Role.GUARD, Role.ADMIN, Role.RESIDENT)


@dataclass(frozen=True)
class Look:
    """One way of looking at a page."""

    size: str
    theme: str

    def put_on(self, page: Any) -> None:
        width, height = SIZES[self.size]
        page.set_viewport_size({"width": width, "height": height})
        # Without motion colours are the new ones at once: half-way through a change no contrast is right.
        page.emulate_media(color_scheme=self.theme, reduced_motion="reduce")
        # Charts and meters draw themselves anew after the change.
        page.wait_for_timeout(120)


LOOKS = tuple(Look(size, theme) for size in SIZES for theme in THEMES)


def opener(app: Flask, path: str) -> Role | None:
    """Whose page it is: the first role that it admits, None for pages before the sign-in."""
    if path in ("/login", "/nowhere"):
        return None if path == "/login" else Role.MANAGER
    with app.app_context():
        roles = [role for role in OPENED_BY if is_open(path, role)]
    assert roles, f"{path} is in the navigation, but no role can open it"
    return Role.RESIDENT if path == "/me" and Role.RESIDENT in roles else roles[0]


@contextmanager
def chromium(executable_path: str = "/usr/bin/chromium") -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable_path, args=CHROMIUM)
        yield browser
        browser.close()


def sign_in(page: Any, url: str, secret: str) -> None:
    """Use a one-time link, button and all."""
    page.goto(f"{url}/login/link/{secret}")
    page.locator("main button").first.click()
    page.wait_for_url(lambda address: "/login" not in address)


def speak(page: Any, url: str, language: str) -> None:
    """Press the language switch, even when the page speaks it already: only then is it kept from page to page."""
    page.goto(f"{url}/privacy")
    with page.expect_navigation():
        page.locator(f'button[formaction="/language/{language}"]:visible').first.click()
    assert page.locator("html").get_attribute("lang")[:2] == language


def settle(page: Any) -> None:
    """Wait until first data and fonts are there; a live page never gets idle, so not for the network."""
    page.wait_for_load_state("load")
    page.wait_for_timeout(250)


def axe_faults(page: Any) -> list[str]:
    """Violations of WCAG 2.2 AA, one line each."""
    # Evaluated by the debugger, so the page's own content policy stays as strict as it is.
    page.evaluate(AXE.read_text())
    options = {"runOnly": {"type": "tag", "values": RULES}}
    result = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{fault['id']}: {node['html'][:160]} ({' '.join(node.get('failureSummary', '').split())[:240]})"
        for fault in result["violations"]
        for node in fault["nodes"][:4]
    ]


def check(page: Any) -> None:
    """No violation and nothing sideways, on a phone and on a desktop, light and dark."""
    for look in LOOKS:
        look.put_on(page)
        faults = axe_faults(page)
        assert not faults, f"{page.url} {look}: {faults}"
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{page.url} {look}: {over} px too wide"
