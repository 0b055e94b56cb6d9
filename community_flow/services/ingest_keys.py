"""The keys that devices seal to, and that hide what lies in the tray."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from community_flow.domain import sealing
from community_flow.ports.keys import KeySource


class IngestKeys:
    """Private keys by their name on the wire (the key's number as text)."""

    def __init__(self, keys: KeySource) -> None:
        self.keys = keys
        self._load = lru_cache(maxsize=16)(_load)

    def private(self, kid: str) -> ec.EllipticCurvePrivateKey | None:
        """The key by that name; None when it is not here."""
        return next((self._load(key.secret) for key in self.keys.all("ingest") if str(key.id) == kid), None)

    def public(self) -> tuple[str, bytes]:
        """(name, 65 bytes) of the key to seal to from now on."""
        key = self.keys.now("ingest")
        return str(key.id), sealing.public_bytes(self._load(key.secret))

    def seal(self, text: str) -> dict[str, str]:
        """A text that only the program itself reads again."""
        kid, public = self.public()
        return sealing.seal({"text": text}, kid, public, ec.generate_private_key(ec.SECP256R1()), os.urandom(12))

    def open(self, sealed: Mapping[str, str]) -> str:
        """The text again; raises SealError."""
        key = self.private(sealed.get("kid", ""))
        if key is None:
            raise sealing.SealError("The key that this was sealed for is missing: restore var/keys.")
        return str(sealing.open_sealed(sealed, key)["text"])


def _load(secret: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_der_private_key(secret, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key
