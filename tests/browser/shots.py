"""Pictures of every page of a running server, in both themes, sizes and languages.

`python -m tests.browser.shots OUTDIR --url http://127.0.0.1:8000` signs in with one-time links that it makes itself, so
it runs where the server's data folder (or database) is: with the same FLOW_* settings.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from community_flow.app import create_app
from community_flow.domain.scope import Role, Scope
from community_flow.settings import Settings
from tests.browser.walk import LANGUAGES, LOCALES, LOOKS, PATHS, chromium, opener, settle, sign_in, speak


def main() -> None:
    asked = _asked()
    asked.outdir.mkdir(parents=True, exist_ok=True)
    app = create_app(Settings.from_env())
    paths = [path for path in PATHS if not asked.only or path in asked.only]
    with chromium() as browser:
        for language in LANGUAGES:
            by_role: dict[Role | None, list[str]] = {}
            for path in paths:
                by_role.setdefault(opener(app, path), []).append(path)
            for role, mine in by_role.items():
                page = browser.new_context(locale=LOCALES[language]).new_page()
                if role is not None:
                    sign_in(page, asked.url, _link(app, role))
                speak(page, asked.url, language)
                for path in mine:
                    _shoot(page, asked, path, language)
                page.context.close()


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--only", action="append", help="one address, for example /people; may be repeated")
    parser.add_argument("--wait-ms", type=int, default=800, help="time for charts and first data")
    return parser.parse_args()


def _link(app: Any, role: Role) -> str:
    core = app.extensions["flow"]
    account = next(each for each in core.accounts.list(Scope.system(())) if each.role is role and not each.disabled)
    link: str = core.accounts.make_link(account, "pictures")
    return link


def _shoot(page: Any, asked: argparse.Namespace, path: str, language: str) -> None:
    page.goto(asked.url + path)
    settle(page)
    page.wait_for_timeout(asked.wait_ms)
    for look in LOOKS:
        look.put_on(page)
        name = f"{path.strip('/').replace('/', '-') or 'live'}-{look.size}-{look.theme}-{language}.png"
        page.screenshot(path=asked.outdir / name, full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        print(name, f"{wide} px too wide" if wide > 0 else "")


if __name__ == "__main__":
    main()
