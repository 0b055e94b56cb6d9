"""Every code that services write into the audit log has words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from community_flow.entrypoints.actions import ACTIONS

SERVICES = Path(__file__).parents[2] / "community_flow" / "services"
LOGGED = re.compile(r'(?:action=|_log\(tx, [\w., ]*|_look\([\w., ]*|_change\([^"]*)"([a-z-]+(?:\.[a-z-]+)+)"')


def test_every_logged_action_has_words() -> None:
    codes = {code for path in SERVICES.glob("*.py") for code in LOGGED.findall(path.read_text())}
    assert len(codes) > 10, "the pattern no longer finds what services log"
    assert not codes - set(ACTIONS), "entrypoints/actions.py has no words for these"


@pytest.mark.parametrize("kind", ["zone", "gate", "grid"])
@pytest.mark.parametrize("done", ["add", "change", "end"])
def test_what_becomes_of_places_has_words(kind: str, done: str) -> None:
    """Their codes are put together, so no pattern finds them."""
    assert f"{kind}.{done}" in ACTIONS
