"""Names that stand for persons: the same within one community and purpose, unlinkable across them."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from hashlib import sha256

from community_flow.ports import Transaction

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without 0, 1, I and O, which people mix up when they read them out."""

INFO = b"community-flow/pseudonym/v1\0"


class Pseudonyms:
    """Keyed by the installation's oldest community key, so that a name on paper stays valid.

    40 bits: among 200,000 persons of one community two share a name with a chance of 2 %; lists also carry times.
    """

    def __init__(self, secret: bytes, uid: Callable[[Transaction, str], bytes]) -> None:
        self._secret, self._uid = secret, uid

    def of(self, tx: Transaction, community: str, purpose: str, person: str) -> str:
        """P-7K3F-92QM. ``purpose`` is "everyday" or a case's id."""
        return self.all(tx, community, purpose, (person,))[person]

    def all(self, tx: Transaction, community: str, purpose: str, persons: Iterable[str]) -> dict[str, str]:
        """Names of many persons at once."""
        head = INFO + self._uid(tx, community) + purpose.encode() + b"\0"
        return {person: self._named(head + person.encode()) for person in persons}

    def _named(self, message: bytes) -> str:
        number = int.from_bytes(hmac.new(self._secret, message, sha256).digest()[:5], "big")
        text = "".join(ALPHABET[number >> shift & 31] for shift in range(35, -5, -5))
        return f"P-{text[:4]}-{text[4:]}"
