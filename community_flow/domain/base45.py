"""Base45 (RFC 9285), strict: one spelling per byte string, and every other text is refused."""

from __future__ import annotations

import struct

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
WEIGHTS = (1, 45, 2025)
NO_LETTER = 255
_VALUES = bytes(ALPHABET.find(chr(code)) % 256 for code in range(256))
"""Byte of a letter -> its value, 255 for what is no letter. What Latin-1 lacks comes as "?", no letter either."""


class Base45Error(ValueError):
    """A letter outside the alphabet, a length no encoder makes, or a group above its range."""


def encode(data: bytes) -> str:
    """Two bytes become three letters, a last single byte two."""
    pairs = (_letters(data[at] * 256 + data[at + 1], 3) for at in range(0, len(data) - 1, 2))
    return "".join(pairs) + (_letters(data[-1], 2) if len(data) % 2 else "")


def decode(text: str) -> bytes:
    """The bytes of ``text``; raises Base45Error. Nothing is trimmed: a space is a digit."""
    if len(text) % 3 == 1:
        raise Base45Error("a length that no encoder makes")
    digits = text.encode("latin-1", "replace").translate(_VALUES)
    if NO_LETTER in digits:
        raise Base45Error(f"{text[digits.index(NO_LETTER)]!r} is not a base45 letter")
    whole = len(digits) - len(digits) % 3
    values = [
        low + 45 * middle + 2025 * high
        for low, middle, high in zip(digits[0:whole:3], digits[1:whole:3], digits[2:whole:3], strict=True)
    ]
    last = [digits[whole] + 45 * digits[whole + 1]] if len(digits) % 3 else []
    try:
        return struct.pack(f">{len(values)}H{len(last)}B", *values, *last)
    except struct.error as error:
        raise Base45Error("a group above its range") from error


def _letters(value: int, count: int) -> str:
    return "".join(ALPHABET[value // weight % 45] for weight in WEIGHTS[:count])
