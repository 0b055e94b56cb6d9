"""Windows of the day in which a gate or a kind of pass is open, also on some days only: whether they are now, and how a
sentence says them. The gate's twin is web/scanner/admission.js, both held to tests/vectors/admission.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Literal

from community_flow.domain.places import Windows

MINUTE_MS = 60_000
EVERY_DAY = "1234567"
THURSDAY = 3
"""The first day of 1970, counted from Monday."""

DAY_NAMES: Mapping[str, tuple[str, ...]] = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}


def open_at(windows: Windows, at_ms: int, utc_offset_min: int) -> bool:
    """Whether one of them holds at that moment; no windows are always open."""
    now_min = at_ms // MINUTE_MS + utc_offset_min
    return not windows or any(_within(window, now_min) for window in windows)


def _within(window: tuple[str, ...], now_min: int) -> bool:
    """Local time in [start, end) on its days; what crosses midnight belongs to the day on which it begins."""
    day, now = divmod(now_min, 1440)
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in window[:2])
    days = window[2] if len(window) > 2 else EVERY_DAY
    today, yesterday = (str((day - back + THURSDAY) % 7 + 1) in days for back in (0, 1))
    if start <= end:
        return today and start <= now < end
    return (today and now >= start) or (yesterday and now < end)


def hours(windows: Windows, language: Literal["zh", "en"]) -> str:
    """Mon–Fri 08:00–12:00, 13:00–18:00"""
    return ", ".join(_window(language, *window) for window in windows)


def _window(language: Literal["zh", "en"], start: str, end: str, days: str = EVERY_DAY) -> str:
    return f"{days_said(days, language)} {start}–{end}".lstrip()


def days_said(days: str, language: Literal["zh", "en"]) -> str:
    """Runs of three days and more by their ends; nothing for every day."""
    if days == EVERY_DAY:
        return ""
    to, between = ("至", "、") if language == "zh" else ("–", ", ")
    parts = list[str]()
    for _, run in groupby(enumerate(map(int, days)), key=lambda pair: pair[1] - pair[0]):
        named = [DAY_NAMES[language][day - 1] for _, day in run]
        parts += named if len(named) < 3 else [named[0] + to + named[-1]]
    return between.join(parts)
