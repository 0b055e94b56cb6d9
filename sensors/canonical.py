"""RFC 8785 canonical JSON and the digest of it. Standard library only."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def canonical(value: Any) -> str:
    """RFC 8785. Object members that are None are left out: absent and null mean the same on this wire."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        pairs = sorted(((_utf16(key), key, each) for key, each in value.items() if each is not None), key=_first)
        return "{" + ",".join(f"{canonical(key)}:{canonical(each)}" for _, key, each in pairs) + "}"
    return "[" + ",".join(canonical(each) for each in value) + "]"


def _first(pair: tuple[bytes, str, Any]) -> bytes:
    return pair[0]


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def number_text(value: float) -> str:
    """A number as ECMAScript writes it: plain digits from 1e-6 up to below 1e21."""
    if not math.isfinite(value):
        raise ValueError("give a finite number")
    if value == 0:
        return "0"
    sign, digits, exponent = _shortest(value)
    point = len(digits) + exponent
    if 0 < point <= 21:
        whole_part = digits[:point].ljust(point, "0")
        return sign + whole_part + ("." + digits[point:] if digits[point:] else "")
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def _shortest(value: float) -> tuple[str, str, int]:
    """(sign, digits without zeros at either end, power of ten of the last digit)."""
    mantissa, _, power = repr(abs(value)).partition("e")
    before, _, after = mantissa.partition(".")
    digits = (before + after).rstrip("0")
    exponent = int(power or 0) - len(after) + len(before + after) - len(digits)
    return "-" if value < 0 else "", digits.lstrip("0"), exponent


def digest(members: Mapping[str, Any]) -> bytes:
    """SHA-256 of the canonical form of a report's known members."""
    return hashlib.sha256(canonical(members).encode()).digest()
