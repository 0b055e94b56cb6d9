"""Sealing a scan to the community's ingest key, so that a stolen box's outbox tells nobody who passed.

ECDH on P-256 with a fresh key per seal, HKDF-SHA256, AES-256-GCM. The server's side is
community_flow/domain/sealing.py; both are held to tests/vectors/seal.json.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sensors.wire import Sealed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

INFO = b"community-flow/seal/v1"
BLOCK = 192
"""Clear text is padded with spaces to a multiple of this, so that its length does not tell what it is."""


class SealTrouble(ValueError):
    """A key that cannot be sealed to, or a missing package; the message names the remedy."""


@dataclass(frozen=True)
class IngestKey:
    """The community's public key (65 bytes, uncompressed P-256) and its id."""

    kid: str
    public: bytes

    @classmethod
    def parse(cls, kid: str, text: str) -> IngestKey:
        """From base64url as the server gives it; raises SealTrouble."""
        try:
            public = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise SealTrouble("The ingest key is not base64url: copy it again from the device's page.") from error
        if len(public) != 65 or public[0] != 4:
            raise SealTrouble("The ingest key is not a P-256 point of 65 bytes: copy it again from the device's page.")
        return cls(kid, public)


def seal(content: Mapping[str, Any], key: IngestKey) -> Sealed:
    """``content`` for the server only. Seal once, keep, and send the same bytes again."""
    _, ec = _cryptography()
    return seal_with(content, key, ec.generate_private_key(ec.SECP256R1()), os.urandom(12))


def seal_with(
    content: Mapping[str, Any], key: IngestKey, ephemeral: ec.EllipticCurvePrivateKey, nonce: bytes
) -> Sealed:
    """The same with the random parts given; they must never be used twice."""
    primitives, ec = _cryptography()
    epk = ephemeral.public_key().public_bytes(primitives.Encoding.X962, primitives.PublicFormat.UncompressedPoint)
    try:
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public)
    except ValueError as error:
        raise SealTrouble("The ingest key is no point of P-256: copy it again from the device's page.") from error
    shared = ephemeral.exchange(ec.ECDH(), peer)
    secret = primitives.HKDF(primitives.SHA256(), 32, epk + key.public, INFO).derive(shared)
    clear = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    padded = clear.ljust(-(-len(clear) // BLOCK) * BLOCK)
    ct = primitives.AESGCM(secret).encrypt(nonce, padded, INFO + b"\0" + key.kid.encode())
    return Sealed(kid=key.kid, epk=_text(epk), nonce=_text(nonce), ct=_text(ct))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


class _Primitives:
    """What is used of `cryptography`, imported when first asked for."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self.AESGCM, self.SHA256, self.HKDF = AESGCM, SHA256, HKDF
        self.Encoding, self.PublicFormat = Encoding, PublicFormat


def _cryptography() -> tuple[_Primitives, Any]:
    try:
        from cryptography.hazmat.primitives.asymmetric import ec

        return _Primitives(), ec
    except ImportError as error:
        raise SealTrouble(
            f"Sealing needs cryptography ({error}): `pip install 'community-flow-sensors[seal]'`."
        ) from error
