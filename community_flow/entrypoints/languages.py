"""zh-CN and en: which one a request gets, catalogues, and how times and names are written."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import flask_babel
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, g, request, session
from flask_babel import Babel, Domain, get_locale

from community_flow.domain.places import Names, named
from community_flow.entrypoints.access import maybe_account

LANGUAGES = ("zh", "en")


class Catalogues(Domain):  # type: ignore[misc]
    """Every `translations/<language>/*.po` as one catalogue, read when the language is first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def get_translations(self) -> NullTranslations:
        language = language_now()
        if language not in self.cache:
            self.cache[language] = load_catalogue(self.folder / language, language)
        found: NullTranslations = self.cache[language]
        return found


def load_catalogue(folder: Path, language: str) -> NullTranslations:
    """Merge all .po files of a folder; English is the source and needs none."""
    merged: Translations | None = None
    for path in sorted(folder.glob("*.po")):
        compiled = io.BytesIO()
        with path.open("rb") as file:
            write_mo(compiled, read_po(file, locale=language))
        compiled.seek(0)
        one = Translations(compiled, domain="messages")
        merged = one if merged is None else merged.merge(one)
    return merged or NullTranslations()


def speak(app: Flask, folder: Path, timezone: str) -> None:
    """Languages, and the template filters for times and names."""
    Babel(app, default_locale="en", default_timezone=timezone, locale_selector=choose_language)
    catalogues = Catalogues(folder)
    app.before_request(catalogues.as_default)
    app.jinja_env.filters.update(clock=clock, day=day, moment=moment, seconds=seconds)
    app.jinja_env.globals.update(named=place_name, language=language_now)


def choose_language() -> str:
    """The switch (session), else the account's choice, else the browser's, else Chinese."""
    chosen = session.get("language")
    if chosen in LANGUAGES:
        return str(chosen)
    account = maybe_account()
    if account and account.language in LANGUAGES:
        return str(account.language)
    return request.accept_languages.best_match(["zh", "zh-CN", "zh-Hans", "en"], default="zh")[:2]


def language_now() -> str:
    """zh or en."""
    locale = get_locale()
    return "zh" if locale is not None and locale.language == "zh" else "en"


def place_name(thing: Any) -> str:
    """The name of a place (anything with ``names``, or the names themselves) in the page's language."""
    names: Names = getattr(thing, "names", thing)
    return named(names, language_now())


def page_timezone() -> ZoneInfo:
    """The time zone of the community the page is about (`g.timezone`), else the installation's."""
    from flask import current_app

    return ZoneInfo(g.get("timezone") or current_app.config["BABEL_TIMEZONE"])


FIRST_MS, LAST_MS = 0, 253_370_764_800_000
"""1970 to 9999, so that no time zone leads out of the calendar."""


def _local(ms: int) -> datetime:
    ms = max(FIRST_MS, min(ms, LAST_MS))  # what is kept already must never make its page unreadable
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(page_timezone())


def clock(ms: int | None) -> str:
    """14:32"""
    return "—" if ms is None else _local(ms).strftime("%H:%M")


def seconds(ms: int | None) -> str:
    """14:32:08"""
    return "—" if ms is None else _local(ms).strftime("%H:%M:%S")


def day(ms: int | None) -> str:
    """2026-11-23"""
    return "—" if ms is None else _local(ms).strftime("%Y-%m-%d")


def moment(ms: int | None) -> str:
    """2026-11-23 14:32"""
    return "—" if ms is None else _local(ms).strftime("%Y-%m-%d %H:%M")


def gettext(text: str, **values: object) -> str:
    """The text in the page's language; typed, which the library's own is not."""
    return str(flask_babel.gettext(text, **values))


def ngettext(one: str, many: str, num: int, **values: object) -> str:
    """As `gettext`, by number."""
    return str(flask_babel.ngettext(one, many, num, **values))
