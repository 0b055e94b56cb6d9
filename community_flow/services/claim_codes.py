"""Codes by which a device is claimed: read off one screen and typed on another."""

from __future__ import annotations

import hashlib
import re
import secrets

CODE_MS = 15 * 60_000
CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Without letters that are mistaken for digits when a code is read aloud."""


def new_code() -> str:
    """Ten letters in two groups: 31^10, of which a guesser gets a few a second for a quarter of an hour."""
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(10))
    return f"{code[:5]}-{code[5:]}"


def hash_code(code: str) -> bytes:
    """What is kept of a code; however it was typed."""
    plain = re.sub(r"[\s-]", "", code).upper()
    return hashlib.sha256(b"claim:" + plain.encode()).digest()
