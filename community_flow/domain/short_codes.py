"""The eight digits under a card's QR code, for number pads: seven random ones and a check digit (Luhn).

A typed code only finds the record for a guard who is signed in and online; it opens nothing by itself.
"""

from __future__ import annotations

import re

LENGTH = 8
_SPACE = 10 ** (LENGTH - 1)


def from_random(data: bytes) -> str:
    """A code out of at least 8 random bytes."""
    digits = f"{int.from_bytes(data[:8], 'big') % _SPACE:0{LENGTH - 1}d}"
    return digits + str(_check_digit(digits))


def read(text: str) -> str | None:
    """The code somebody typed or read out, or None when its check digit says that it was mistyped."""
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"[0-9]{8}", digits) or _check_digit(digits[:-1]) != int(digits[-1]):
        return None
    return digits


def shown(code: str) -> str:
    """1234 5678"""
    return f"{code[:4]} {code[4:]}"


def _check_digit(digits: str) -> int:
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits))]
    return -sum(value // 10 + value % 10 for value in doubled) % 10
