"""What is asked to know whether people are served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Check = Callable[[], str | None]
"""None when all is well, else what is wrong and what that means."""


@dataclass(frozen=True)
class Reading:
    """One figure as it is now; its name is declared in `adapters/prometheus.py`."""

    name: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One thing that people are served with. Without a ``needed`` one nobody is served; without another, worse."""

    check: Check
    needed: bool = False


@dataclass(frozen=True)
class Finding:
    """One line of `doctor`. ``level``: ok; note (works, but somebody should know); mend (the text says how)."""

    level: str
    text: str


def ok(text: str) -> Finding:
    return Finding("ok", text)


def note(text: str) -> Finding:
    return Finding("note", text)


def mend(text: str) -> Finding:
    return Finding("mend", text)
