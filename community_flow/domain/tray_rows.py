"""Rules of the tray: what can be mended, what lets itself go, and how a report is shown without naming anybody."""

from __future__ import annotations

import json
from typing import Any

FINAL = ("conflict", "past_retention")
"""Nothing that is mended elsewhere makes these usable: they are looked at and dismissed."""

LET_GO_MS = 60 * 60_000
"""Clocks differ by an hour (summer time set by hand); what is dated further ahead comes from a wrong clock."""

MOST_TEXT = 16_000
"""Characters of a report that cannot be read. The wire's largest report has a quarter of that."""

_NAMING = frozenset({"pass", "tag", "ref", "person", "claimed", "operator", "note", "unit", "subject", "bed"})


def lets_itself_go(reason: str, t_ms: int, received_ms: int, now_ms: int) -> bool:
    """True when a held report may take part without anybody's word."""
    if reason == "server_clock":
        return True
    return t_ms <= now_ms and t_ms - received_ms <= LET_GO_MS


def without_names(report: Any) -> str:
    """The report as readable text; what names somebody, or is sealed, only by its length."""
    return json.dumps(_hidden(report), indent=2, ensure_ascii=False)


def _hidden(found: Any, name: str = "") -> Any:
    if name in _NAMING:
        return f"… ({len(json.dumps(found))})"
    if isinstance(found, dict):
        return {key: _hidden(value, key) for key, value in found.items()}
    if isinstance(found, list):
        return [_hidden(each) for each in found]
    return found if not isinstance(found, str) or len(found) <= 200 else f"{found[:200]}… ({len(found)})"
