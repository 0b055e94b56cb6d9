"""The key that signs gate tables: pinned by a device when it is claimed, handed on from key to key when it changes."""

from __future__ import annotations

from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from community_flow.domain import gate_table
from community_flow.domain.sealing import text
from community_flow.ports.keys import KeySource, Secret


class TableKeys:
    def __init__(self, ring: KeySource) -> None:
        self.ring = ring

    def signer(self) -> Ed25519PrivateKey:
        return _private(self.ring.now("delta"))

    def public(self) -> str:
        """What a device pins."""
        return _public(self.ring.now("delta"))

    def succession(self) -> tuple[dict[str, str], ...]:
        """Each key signed by the one before it, oldest first: however long a phone was away, it finds its way."""
        keys = self.ring.all("delta")
        return tuple(
            {"by": _public(old), "key": _public(new), "signature": gate_table.endorse(_private(old), _private(new))}
            for old, new in pairwise(keys)
        )


def _private(key: Secret) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(key.secret)


def _public(key: Secret) -> str:
    return text(_private(key).public_key().public_bytes_raw())
