"""What a single value on the wire may be, and what to say when it is not. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

MAX_WHOLE = (1 << 53) - 1
MAX_BODIES = 10_000
MAX_TEXT = 500
MAX_COUNTERS = 32
MAX_FAULTS = 50

Check: TypeAlias = Callable[[object], Any]
"""Gives the value back, parsed, or raises ValueError with what would be right."""


class WireError(ValueError):
    """A report or an answer that does not keep to the wire; `field` says where, the message what would be right."""

    def __init__(self, where: str, remedy: str) -> None:
        super().__init__(f"{where}: {remedy}")
        self.field = where
        self.remedy = remedy


def whole(least: int, most: int) -> Check:
    def check(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"give a whole number from {least} to {most}")
        return value

    return check


def number(least: float, most: float) -> Check:
    def check(value: object) -> float:
        if type(value) not in (int, float) or not least <= value <= most:  # type: ignore[operator]
            raise ValueError(f"give a finite number from {least:g} to {most:g}")
        return float(value)  # type: ignore[arg-type]

    return check


def text(most: int, least: int = 0) -> Check:
    def check(value: object) -> str:
        if type(value) is not str or not least <= len(value) <= most or _UNSTORABLE.search(value):
            raise ValueError(f"give a text of {least} to {most} characters without NUL")
        return value

    return check


def matching(pattern: str, example: str) -> Check:
    compiled = re.compile(pattern)

    def check(value: object) -> str:
        if type(value) is not str or not compiled.fullmatch(value):
            raise ValueError(f"give something like {example!r}")
        return value

    return check


def one_of(*choices: str) -> Check:
    def check(value: object) -> str:
        if type(value) is not str or value not in choices:
            raise ValueError(f"give one of {', '.join(choices)}")
        return value

    return check


def truth(value: object) -> bool:
    if type(value) is not bool:
        raise ValueError("give true or false")
    return value


def counters(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping) or len(value) > MAX_COUNTERS:
        raise ValueError(f"give at most {MAX_COUNTERS} counters by name")
    return {WORD(name): COUNTER(count) for name, count in value.items()}


def faults(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_FAULTS:
        raise ValueError(f"give a list of at most {MAX_FAULTS} texts")
    return tuple(SHORT(each) for each in value)


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
SLUG = matching(r"[a-z0-9][a-z0-9-]{0,39}", "east-gate")
WORD = matching(r"[a-z][a-z0-9_-]{0,39}", "clock_skew")
SHORT = text(100)
LONG = text(MAX_TEXT)
SEQ = whole(0, MAX_WHOLE)
BOOT = whole(1, MAX_WHOLE)
TIME = whole(0, MAX_WHOLE)
SKEW = whole(-MAX_WHOLE, MAX_WHOLE)
BODIES = whole(1, MAX_BODIES)
COUNT = whole(0, MAX_BODIES)
COUNTER = whole(0, MAX_WHOLE)
MINUTES = whole(0, 525_600)
SHARE = number(0, 1)
VALUE = number(-1e12, 1e12)
ERROR = number(0, 1e12)
BASE64 = matching(r"[A-Za-z0-9_-]{1,4000}", "base64url without padding")
WAY = one_of("in", "out")
