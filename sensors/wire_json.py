"""JSON as the wire reads it: UTF-8, no NaN, and every error names its remedy."""

from __future__ import annotations

import json
from typing import Any

from sensors.wire_rules import WireError


def strict_json(text: str) -> Any:
    """JSON without NaN. Whole numbers beyond 2^53 become floats, which every rule of a whole number refuses."""
    return json.loads(text, parse_constant=_refuse_constant, parse_int=_whole_or_float)


def _whole_or_float(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def parsed(encoded: str | bytes) -> Any:
    """What the text says; raises WireError."""
    try:
        return strict_json(encoded if isinstance(encoded, str) else encoded.decode())
    except (ValueError, RecursionError) as error:
        raise WireError("json", f"give well-formed JSON in UTF-8 ({error})") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")
