"""Every code that services write into the audit log has words."""

from __future__ import annotations

import re
from pathlib import Path

from community_flow.entrypoints.actions import ACTIONS

SERVICES = Path(__file__).parents[2] / "community_flow" / "services"
LOGGED = re.compile(r'(?:action=|_log\(tx, [\w., ]*|_look\([\w., ]*|_change\([^"]*)"([a-z-]+(?:\.[a-z-]+)+)"')


def test_every_logged_action_has_words() -> None:
    codes = {code for path in SERVICES.glob("*.py") for code in LOGGED.findall(path.read_text())}
    assert len(codes) > 10, "the pattern no longer finds what services log"
    assert not codes - set(ACTIONS), "entrypoints/actions.py has no words for these"
