"""Base45 (RFC 9285), strict: one spelling per byte string, and every other text is refused."""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
WEIGHTS = (1, 45, 2025)
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}


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
    out = bytearray()
    for at in range(0, len(text), 3):
        group = text[at : at + 3]
        out += _bytes(group, len(group) - 1)
    return bytes(out)


def _letters(value: int, count: int) -> str:
    return "".join(ALPHABET[value // weight % 45] for weight in WEIGHTS[:count])


def _bytes(group: str, count: int) -> bytes:
    try:
        value = sum(_VALUES[letter] * WEIGHTS[place] for place, letter in enumerate(group))
    except KeyError as error:
        raise Base45Error(f"{error.args[0]!r} is not a base45 letter") from error
    if value >= 256**count:
        raise Base45Error("a group above its range")
    return bytes(value.to_bytes(count, "big"))
