"""Whether people are served: every part is asked at once, and none is waited for long."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from community_flow.ports.health import Check, Part
from community_flow.services.patience import Patient

PATIENCE_S = 1.0
MUTE = "No answer within a second."


@dataclass(frozen=True)
class Health:
    """``state``: ok, degraded (slower or less, but served), or not ready."""

    state: str
    parts: Mapping[str, str]

    @property
    def ready(self) -> bool:
        return self.state != "not ready"


class Probe:
    """Looks at the parts."""

    def __init__(self, parts: Mapping[str, Part], patience_s: float = PATIENCE_S) -> None:
        self.parts, self.patience_s = parts, patience_s
        self._asking = {name: patient(part.check) for name, part in parts.items()}

    def look(self) -> Health:
        end = time.monotonic() + self.patience_s
        asked = {name: each.begin() for name, each in self._asking.items()}
        troubles = {name: wait(end) for name, wait in asked.items()}
        words = {name: trouble or "ok" for name, trouble in troubles.items()}
        if any(troubles[name] and part.needed for name, part in self.parts.items()):
            return Health("not ready", words)
        return Health("degraded" if any(troubles.values()) else "ok", words)


def patient(check: Check) -> Patient[str | None]:
    """A check that is never waited for long."""
    mute: str | None = MUTE
    return Patient(check, mute, lambda error: f"The check itself failed ({type(error).__name__}).")
