"""Tokens of devices: random to everybody, made again only by who holds this installation's keys.

A token is kept as its hash. Beside it lies a random seed, of which the token is a keyed digest: the store alone gives
nobody a token, and a broker that lost its accounts, or was away when a device was enrolled, can be told them again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from community_flow.ports.keys import KeySource

INFO = b"cf/device-token/v1\0"


class DeviceTokens:
    """Makes tokens under the key `device`; the first byte of a seed says under which of them."""

    def __init__(self, keys: KeySource) -> None:
        self.keys = keys

    def new(self) -> tuple[bytes, str]:
        """(seed, token) of a new token."""
        seed = bytes([self.keys.now("device").id]) + secrets.token_bytes(16)
        return seed, self.of_seed(seed)

    def of_seed(self, seed: bytes) -> str:
        """The token of a seed; raises LookupError when its key is gone."""
        for key in self.keys.all("device"):
            if key.id == seed[0]:
                digest = hmac.digest(key.secret, INFO + seed, hashlib.sha256)
                return "cfd_" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        raise LookupError(f"the device key {seed[0]} is not in the key folder: restore it, or rotate the token")
