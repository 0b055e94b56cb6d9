"""Sealing to the ingest key: what a gate queues can be read only by the server.

ECDH on P-256 with a fresh key per seal, HKDF-SHA256, AES-256-GCM; strings and byte order stand in
docs/decisions/0020-passes-gate-table-seal.md, examples in tests/vectors/seal.json.
Twins: sensors/seal.py and web/scanner/seal.js.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

INFO = b"community-flow/seal/v1"
BLOCK = 192
"""Clear text is padded with spaces to a multiple of this, so that its length does not tell what it is."""


class SealError(ValueError):
    """Not a seal, or not one made for this key."""


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The 65 bytes of a public key that devices seal to."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def seal(
    content: Mapping[str, Any], kid: str, recipient: bytes, ephemeral: ec.EllipticCurvePrivateKey, nonce: bytes
) -> dict[str, str]:
    """``content`` for the holder of ``recipient``; ``ephemeral`` and ``nonce`` are used once."""
    epk = public_bytes(ephemeral)
    peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), recipient)
    key = _key(ephemeral.exchange(ec.ECDH(), peer), epk, recipient)
    clear = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    padded = clear.ljust(-(-len(clear) // BLOCK) * BLOCK)
    sealed = AESGCM(key).encrypt(nonce, padded, _aad(kid))
    return {"kid": kid, "epk": text(epk), "nonce": text(nonce), "ct": text(sealed)}


def open_sealed(sealed: Mapping[str, str], key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """What was sealed to ``key``; raises SealError."""
    try:
        epk, nonce, ct = (raw(sealed[name]) for name in ("epk", "nonce", "ct"))
        peer = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), epk)
        secret = _key(key.exchange(ec.ECDH(), peer), epk, public_bytes(key))
        clear = AESGCM(secret).decrypt(nonce, ct, _aad(sealed["kid"]))
        content = json.loads(clear)
    except (KeyError, TypeError, ValueError, InvalidTag, RecursionError) as error:
        raise SealError("This was not sealed for the key it names.") from error
    if not isinstance(content, dict):
        raise SealError("A seal holds one JSON object.")
    return content


def _key(shared: bytes, epk: bytes, recipient: bytes) -> bytes:
    return HKDF(SHA256(), 32, epk + recipient, INFO).derive(shared)


def _aad(kid: str) -> bytes:
    return INFO + b"\0" + kid.encode()


def text(data: bytes) -> str:
    """base64url without padding, as everywhere on the wire."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def raw(value: str) -> bytes:
    """The bytes of base64url without padding; raises ValueError."""
    try:
        return base64.b64decode(value.encode("ascii") + b"=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
