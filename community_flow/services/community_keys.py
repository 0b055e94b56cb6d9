"""What belongs to one community alone, derived from the installation's keys by HKDF over the community's uid.

Nothing derived is stored. The derivation itself is `domain/passes.py: community_secret`; this is the one place that
says which key of the ring it starts from, so that gate, ingest and office always agree.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from community_flow.domain import passes
from community_flow.domain.passes import CardKey
from community_flow.ports.keys import KeySource

HANDLE_INFO = b"cf/handle/v1"
NONCE = 12


class UnreadableHandle(RuntimeError):
    """A handle was sealed under a table key that is gone, or for another pass or community."""


class CommunityKeys:
    """Keyed references, card signers and sealed handles of communities, each named by its 16-byte uid."""

    def __init__(self, keys: KeySource, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self.keys, self.random = keys, random
        self._derive = lru_cache(maxsize=1024)(passes.community_secret)

    def pass_ref(self, uid: bytes, handle: bytes) -> bytes:
        """The 16 bytes that stand for a pass in every table."""
        return passes.pass_ref(self._reference_key(uid), handle)

    def tag_ref(self, uid: bytes, tag: str) -> bytes:
        """The 16 bytes that stand for an IC card; raises ValueError for what no reader could say."""
        return passes.tag_ref(self._reference_key(uid), tag)

    def card_signer(self, uid: bytes) -> tuple[int, Ed25519PrivateKey]:
        """(key id, key) that signs this community's cards from now on."""
        key = self.keys.now("card")
        return key.id, self._card_key(uid, key.secret)

    def card_keys(self, uid: bytes) -> list[CardKey]:
        """Public keys of every card of this community that may still be carried, oldest first."""
        return [
            CardKey(uid, key.id, self._card_key(uid, key.secret).public_key().public_bytes_raw())
            for key in self.keys.all("card")
        ]

    def table_secret(self, uid: bytes) -> bytes:
        """What the epoch salts of this community's gate tables are made of."""
        return self._derive(self.keys.now("table").secret, uid, "table")

    def seal_handle(self, uid: bytes, handle: bytes) -> bytes:
        """A handle as the table `passes` keeps it: key id, nonce, AES-256-GCM."""
        key = self.keys.now("table")
        nonce = self.random(NONCE)
        cipher = AESGCM(self._derive(key.secret, uid, "table"))
        return bytes([key.id]) + nonce + cipher.encrypt(nonce, handle, HANDLE_INFO + uid)

    def open_handle(self, uid: bytes, sealed: bytes) -> bytes:
        """The handle again; raises UnreadableHandle."""
        for key in self.keys.all("table"):
            if key.id == sealed[0]:
                cipher = AESGCM(self._derive(key.secret, uid, "table"))
                return _opened(cipher, sealed[1:], HANDLE_INFO + uid)
        raise UnreadableHandle("The table key that this pass was kept under is missing: restore var/keys.")

    def _reference_key(self, uid: bytes) -> bytes:
        # The oldest key for ever: a reference that changed would cut a pass off from its own history.
        return self._derive(self.keys.all("community")[0].secret, uid, "community")

    def _card_key(self, uid: bytes, master: bytes) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._derive(master, uid, "card"))


def _opened(cipher: AESGCM, sealed: bytes, aad: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], aad)
    except InvalidTag as error:
        raise UnreadableHandle("This handle was kept for another community, or is damaged.") from error
