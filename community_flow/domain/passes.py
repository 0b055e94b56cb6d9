"""CF1, the text inside a pass's QR code: what it says, how it is signed, and what a check of it can find.

Nothing here raises for what somebody holds in front of a camera: `decode` gives a Token or a Fault, `prove_*` a Proof.
The JavaScript twin is web/scanner/cf1.js; both are held to tests/vectors/passes.json.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from community_flow.domain import base45

PREFIX = "CF1:"
TEXT_LENGTH = 120
HEAD_LENGTH = 13
TOKEN_LENGTH = 77
HANDLE_LENGTH = 8
CHALLENGE_LENGTH = 16
SIGNED_PREFIX = b"community-flow/pass/v1\0"
EPOCH_S = 1_767_225_600
"""2026-01-01T00:00:00Z, where the token's seconds and days begin."""

OLDEST_S, NEWEST_S = -45, 15
"""A rotating code is good while -45 s <= its time - event time <= +15 s."""

CARD_DAYS = 730
GRACE_DAYS = 14
SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)
"""Ed25519 keys, without their sign bit, under which one signature fits many messages: whoever registers such a key
has a pass that everybody can make. OpenSSL and WebCrypto take them."""
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Type(IntEnum):
    """First byte of a token."""

    ED25519 = 0x11
    ED25519_CHALLENGED = 0x12
    P256 = 0x13
    P256_CHALLENGED = 0x14
    CARD = 0x21


_TYPES = {int(kind): kind for kind in Type}
CHALLENGED = frozenset({Type.ED25519_CHALLENGED, Type.P256_CHALLENGED})
P256_TYPES = frozenset({Type.P256, Type.P256_CHALLENGED})


class Fault(StrEnum):
    """Why a text is not a token."""

    NOT_OURS = "not_ours"
    MALFORMED = "malformed"
    UNKNOWN_TYPE = "unknown_type"


class Proof(StrEnum):
    """What the signature of a token shows."""

    GOOD = "good"
    FORGED = "forged"
    FOREIGN = "foreign"
    UNKNOWN_KEY = "unknown_key"
    NO_CHALLENGE = "no_challenge"


class Token(msgspec.Struct, frozen=True, gc=False):
    """A decoded CF1 text. ``token_s`` counts from 2026 (rotating); ``expiry_day`` likewise, inclusive (card)."""

    type: Type
    handle: bytes
    signature: bytes
    token_s: int | None = None
    key_id: int | None = None
    expiry_day: int | None = None
    serial: int | None = None

    @property
    def is_card(self) -> bool:
        return self.type is Type.CARD

    @property
    def head(self) -> bytes:
        """The 13 bytes that are signed."""
        if self.is_card:
            return struct.pack(">BB8sHB", self.type, self.key_id, self.handle, self.expiry_day, self.serial)
        return struct.pack(">B8sI", self.type, self.handle, self.token_s)


@dataclass(frozen=True, slots=True)
class CardKey:
    """One public key that signs a community's cards."""

    community: bytes
    id: int
    public: bytes


@dataclass(frozen=True, slots=True)
class Credential:
    """What the record of a phone pass allows: the public key (32 bytes Ed25519, 65 bytes P-256) and the token types."""

    key: bytes
    types: frozenset[Type]


# --- reading -----------------------------------------------------------------------------------------------------


def decode(text: str) -> Token | Fault:
    """What ``text`` says, unproven. Exactly 120 characters; spaces are data."""
    if not text.startswith(PREFIX):
        return Fault.NOT_OURS
    if len(text) != TEXT_LENGTH:
        return Fault.MALFORMED
    try:
        raw = base45.decode(text[len(PREFIX) :])
    except base45.Base45Error:
        return Fault.MALFORMED
    return _token(raw)


def encode(token: Token) -> str:
    """The text of a token, for a QR code of version 5-M."""
    return PREFIX + base45.encode(token.head + token.signature)


def _token(raw: bytes) -> Token | Fault:
    kind = _TYPES.get(raw[0])
    if kind is None:
        return Fault.UNKNOWN_TYPE
    signature = raw[HEAD_LENGTH:]
    if kind is Type.CARD:
        _, key_id, handle, expiry_day, serial = struct.unpack(">BB8sHB", raw[:HEAD_LENGTH])
        return Token(kind, handle, signature, key_id=key_id, expiry_day=expiry_day, serial=serial)
    _, handle, token_s = struct.unpack(">B8sI", raw[:HEAD_LENGTH])
    return Token(kind, handle, signature, token_s=token_s)


# --- proving -----------------------------------------------------------------------------------------------------


def signed_bytes(community: bytes, head: bytes, challenge: bytes = b"") -> bytes:
    """What a pass signs: bound to the community's 16 bytes and, when challenged, to the gate's 16."""
    return SIGNED_PREFIX + community + challenge + head


def prove_card(token: Token, community: bytes, keys: Iterable[CardKey]) -> Proof:
    """GOOD under a key of ``community``, FOREIGN under another community's, FORGED under a known key, else UNKNOWN_KEY.

    A gate reads UNKNOWN_KEY as forged (no pinned key made it); ingest keeps such a scan for the fold to resolve.
    """
    named = [key for key in keys if key.id == token.key_id]
    for key in sorted(named, key=lambda key: key.community != community):
        if _ed25519_good(key.public, token.signature, signed_bytes(key.community, token.head)):
            return Proof.GOOD if key.community == community else Proof.FOREIGN
    return Proof.FORGED if any(key.community == community for key in named) else Proof.UNKNOWN_KEY


def prove_rotating(token: Token, community: bytes, credential: Credential, challenge: bytes = b"") -> Proof:
    """Whether the phone that owns ``credential`` signed this token; algorithm and types come from the credential."""
    if token.type not in credential.types:
        return Proof.FORGED
    if token.type in CHALLENGED and len(challenge) != CHALLENGE_LENGTH:
        return Proof.NO_CHALLENGE
    message = signed_bytes(community, token.head, challenge if token.type in CHALLENGED else b"")
    good = _p256_good if token.type in P256_TYPES else _ed25519_good
    return Proof.GOOD if good(credential.key, token.signature, message) else Proof.FORGED


def clock_good(token: Token, at_ms: int) -> bool:
    """Whether a rotating code's time fits the event time; a card carries no time."""
    if token.token_s is None:
        return True
    ahead_ms = (token.token_s + EPOCH_S) * 1000 - at_ms
    return OLDEST_S * 1000 <= ahead_ms <= NEWEST_S * 1000


def signature_good(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the phone with this registered key signed ``message``."""
    good = _p256_good if len(public) == 65 else _ed25519_good
    return len(signature) == 64 and good(public, signature, message)


def key_good(public: bytes) -> bool:
    """Whether a phone may register this public key: 32 bytes of Ed25519 that stand for one signer, or a P-256 point."""
    if len(public) != 65:
        return len(public) == 32 and not _many_signers(public)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    except ValueError:
        return False
    return True


def _many_signers(public: bytes) -> bool:
    return public[:31] + bytes([public[31] & 0x7F]) in SMALL_ORDER


def _ed25519_good(public: bytes, signature: bytes, message: bytes) -> bool:
    if len(public) != 32 or _many_signers(public):
        return False
    try:
        _ed25519_key(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=16_384)
def _ed25519_key(public: bytes) -> ed25519.Ed25519PublicKey:
    """Unpacked once: a phone shows its pass several times a day, and unpacking costs a tenth of a check."""
    return ed25519.Ed25519PublicKey.from_public_bytes(public)


def _p256_good(public: bytes, signature: bytes, message: bytes) -> bool:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(public) != 65 or not 0 < r < P256_ORDER or not 0 < s <= P256_ORDER // 2:
        return False
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


# --- making ------------------------------------------------------------------------------------------------------


def card(
    signer: ed25519.Ed25519PrivateKey, community: bytes, *, key_id: int, handle: bytes, expiry_day: int, serial: int
) -> str:
    """The text of a printed card."""
    bare = Token(Type.CARD, handle, b"", key_id=key_id, expiry_day=expiry_day, serial=serial)
    return encode(_with_signature(bare, signer.sign(signed_bytes(community, bare.head))))


def rotating(
    signer: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    community: bytes,
    *,
    handle: bytes,
    at_ms: int,
    challenge: bytes = b"",
) -> str:
    """The text a phone shows at ``at_ms``; challenged when a challenge is given."""
    kind = _type_of(signer, bool(challenge))
    bare = Token(kind, handle, b"", token_s=at_ms // 1000 - EPOCH_S)
    message = signed_bytes(community, bare.head, challenge)
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return encode(_with_signature(bare, signer.sign(message)))
    return encode(_with_signature(bare, raw_p256(signer.sign(message, ec.ECDSA(hashes.SHA256())))))


def raw_p256(der: bytes) -> bytes:
    """r || s with low s, from DER: the one spelling of a signature that a gate accepts."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")


def _type_of(signer: object, challenged: bool) -> Type:
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return Type.ED25519_CHALLENGED if challenged else Type.ED25519
    return Type.P256_CHALLENGED if challenged else Type.P256


def _with_signature(bare: Token, signature: bytes) -> Token:
    return Token(bare.type, bare.handle, signature, bare.token_s, bare.key_id, bare.expiry_day, bare.serial)


def day_of(at_ms: int, utc_offset_min: int = 0) -> int:
    """Days since 2026-01-01 of the local date at ``at_ms``: what a card's expiry day is compared with."""
    return (at_ms // 1000 + utc_offset_min * 60 - EPOCH_S) // 86_400


# --- keyed references --------------------------------------------------------------------------------------------


def community_secret(master: bytes, community: bytes, purpose: str) -> bytes:
    """32 bytes of one community's own, out of an installation key: `card` seeds Ed25519, `community` keys pass_ref,
    `table` encrypts handles."""
    info = b"cf/community-secret/v1/" + purpose.encode("ascii")
    return HKDF(hashes.SHA256(), 32, community, info).derive(master)


def pass_ref(community_key: bytes, handle: bytes) -> bytes:
    """The 16 bytes that stand for a pass in every table; the handle cannot be found from them without the key."""
    return hmac.digest(community_key, handle, hashlib.sha256)[:16]


def tag_ref(community_key: bytes, tag: str) -> bytes:
    """The 16 bytes that stand for an IC card; its number is never kept."""
    return hmac.digest(community_key, b"tag:" + normal_tag(tag).encode("ascii"), hashlib.sha256)[:16]


_TAG = re.compile(r"[0-9A-Z]{4,32}")


def normal_tag(tag: str) -> str:
    """A card number as every reader would say it: capitals, without separators; raises ValueError."""
    number = re.sub(r"[\s:.-]", "", tag).upper()
    if not _TAG.fullmatch(number):
        raise ValueError("A card number has 4 to 32 digits or letters.")
    return number


def pass_id(ref: bytes) -> str:
    return "ps_" + ref.hex()


def tag_id(ref: bytes) -> str:
    return "tg_" + ref.hex()
