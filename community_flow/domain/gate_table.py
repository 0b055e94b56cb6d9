"""The list a gate carries: one sealed record per credential, opened only by the handle that somebody shows.

Formats: docs/decisions/0020-passes-gate-table-seal.md. The JavaScript twin is web/scanner/table.js; both are held to
tests/vectors/gate_table.json.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from community_flow.domain.places import Windows
from community_flow.domain.sealing import raw, text

INFO = b"cf/gate-record/v1"
SALT_INFO = b"cf/epoch-salt/v1"
SIGNED_PREFIX = b"community-flow/gate-table/v1\0"
HANDED_ON_PREFIX = b"community-flow/table-key/v1\0"
LID, NONCE, KEY, CLEAR, TAG = 12, 12, 32, 384, 16
RECORD = LID + NONCE + CLEAR + TAG
DAY_MS = 86_400_000
STALE_MS = DAY_MS
"""From here on the list is shown amber."""
DEAD_MS = 14 * DAY_MS
"""From here on nothing is decided by it."""


class TableError(ValueError):
    """A table, delta or record that is not for this device, not signed, or not whole."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one credential says about itself at a gate. Never a full name, a handle or a health reason."""

    types: tuple[int, ...]
    name: str
    type: str = "resident"
    key: str | None = None
    serial: int | None = None
    status: Literal["active", "revoked", "copied"] = "active"
    from_ms: int | None = None
    until_ms: int | None = None
    gates: tuple[str, ...] | None = None
    windows: Windows = ()
    household: str | None = None
    quota: int | None = None
    hold: bool = False
    building: str | None = None
    unit: str | None = None
    inside: bool | None = None


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The signed part of a download. ``since`` None: a whole table; else the version it leads from."""

    community: str
    device: str
    epoch: int
    salt: str
    version: str
    issued_ms: int
    expires_ms: int
    records: str
    removed: str
    since: str | None = None
    site: dict[str, Any] = {}
    """Names, gates, zones and public keys the gate works with (services/gate.py)."""


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of /v1/device/passes."""

    header: str
    records: tuple[str, ...]
    removed: tuple[str, ...]
    signature: str


def epoch_of(at_ms: int) -> int:
    """The day a table is for: UTC days since 1970."""
    return at_ms // DAY_MS


def epoch_salt(table_secret: bytes, epoch: int) -> bytes:
    """The 16 bytes that make this day's lids differ from every other day's."""
    return hmac.digest(table_secret, SALT_INFO + struct.pack(">I", epoch), hashlib.sha256)[:16]


def locate(handle: bytes, salt: bytes, community: bytes) -> tuple[bytes, bytes]:
    """(lid, key) of the record that belongs to a handle."""
    out = HKDF(SHA256(), LID + KEY, salt + community, INFO).derive(handle)
    return out[:LID], out[LID:]


def seal_record(record: Record, handle: bytes, salt: bytes, community: bytes, epoch: int, nonce: bytes) -> bytes:
    """The 424 bytes of a record."""
    lid, key = locate(handle, salt, community)
    return lid + nonce + AESGCM(key).encrypt(nonce, _clear(record), _aad(community, lid, epoch))


def open_record(sealed: bytes, handle: bytes, salt: bytes, community: bytes, epoch: int) -> Record:
    """The record of a handle; raises TableError when it is another's, of another day, or damaged."""
    lid, key = locate(handle, salt, community)
    if len(sealed) != RECORD or sealed[:LID] != lid:
        raise TableError("This record belongs to another pass.")
    try:
        clear = AESGCM(key).decrypt(sealed[LID : LID + NONCE], sealed[LID + NONCE :], _aad(community, lid, epoch))
        length = int.from_bytes(clear[:2], "big")
        return msgspec.json.decode(clear[2 : 2 + length], type=Record)
    except (InvalidTag, msgspec.DecodeError) as error:
        raise TableError("This record is damaged or of another day.") from error


def sign(header: Header, records: Sequence[bytes], removed: Sequence[bytes], signer: Ed25519PrivateKey) -> Download:
    """A download whose header vouches for every record and removal."""
    whole = msgspec.structs.replace(header, records=_digest(records), removed=_digest(removed))
    body = msgspec.json.encode(whole)
    return Download(
        header=body.decode(),
        records=tuple(text(each) for each in records),
        removed=tuple(text(each) for each in removed),
        signature=text(signer.sign(SIGNED_PREFIX + body)),
    )


def endorse(old: Ed25519PrivateKey, new: Ed25519PrivateKey) -> str:
    """The old key's word for the new one: a device that pinned the old one may go over to it."""
    return text(old.sign(HANDED_ON_PREFIX + new.public_key().public_bytes_raw()))


def follow(pinned: str, succession: Sequence[Mapping[str, str]]) -> str:
    """The key that a pinned one leads to by good signatures; the pinned one itself where nobody followed it."""
    for step in succession:
        if step["by"] != pinned:
            continue
        try:
            signed = HANDED_ON_PREFIX + raw(step["key"])
            Ed25519PublicKey.from_public_bytes(raw(pinned)).verify(raw(step["signature"]), signed)
        except (InvalidSignature, ValueError) as error:
            raise TableError("The list's key was not handed on by the one before it.") from error
        pinned = step["key"]
    return pinned


def check(
    download: Download, signer: bytes, *, device: str, community: bytes, version: str | None, newest_ms: int = 0
) -> Header:
    """The header of a download that this device may use; raises TableError.

    ``version`` and ``newest_ms`` are what the device holds: a delta must start there, and nothing older is taken back.
    """
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(
            raw(download.signature), SIGNED_PREFIX + download.header.encode()
        )
        header = msgspec.json.decode(download.header, type=Header)
        records, removed = [raw(each) for each in download.records], [raw(each) for each in download.removed]
    except (InvalidSignature, ValueError) as error:
        raise TableError("The list is not signed by this community.") from error
    _check_header(header, device, community, version, newest_ms)
    if _digest(records) != header.records or _digest(removed) != header.removed:
        raise TableError("The list is not whole: get it again.")
    if any(len(each) != RECORD for each in records) or any(len(each) != LID for each in removed):
        raise TableError("The list is not whole: get it again.")
    return header


def _check_header(header: Header, device: str, community: bytes, version: str | None, newest_ms: int) -> None:
    if header.device != device or header.community != text(community):
        raise TableError("The list is for another device.")
    if header.issued_ms < newest_ms:
        raise TableError("The list is older than the one in use.")
    if header.since is not None and header.since != version:
        raise TableError("The list does not follow the one in use: get the whole list.")


def _digest(parts: Sequence[bytes]) -> str:
    return text(hashlib.sha256(b"".join(parts)).digest())


def _aad(community: bytes, lid: bytes, epoch: int) -> bytes:
    return INFO + community + lid + struct.pack(">I", epoch)


def _clear(record: Record) -> bytes:
    body = msgspec.json.encode(_fitted(record))
    return (len(body).to_bytes(2, "big") + body).ljust(CLEAR, b"\0")


def _fitted(record: Record) -> Record:
    """The record, short enough: texts are cut, then gates and windows dropped from the end.

    A rule that lost a part allows less, never more: the gates left out say check.
    """
    fitted = msgspec.structs.replace(
        record, name=_cut(record.name, 48), unit=_cut(record.unit, 32), building=_cut(record.building, 32)
    )
    while len(msgspec.json.encode(fitted)) > CLEAR - 2:
        if fitted.gates:
            fitted = msgspec.structs.replace(fitted, gates=fitted.gates[:-1])
        elif len(fitted.windows) > 1:
            fitted = msgspec.structs.replace(fitted, windows=fitted.windows[:-1])
        else:
            raise TableError("A record has more to say than fits.")
    return fitted


def _cut(value: Any, most: int) -> Any:
    """At most that many bytes of UTF-8, never half a character."""
    return value if value is None else value.encode()[:most].decode(errors="ignore")


def mask(name: str) -> str:
    """A name as the gate shows it: 林*梅, 林*, 欧**华, J*** S***."""
    words = name.split()
    if len(words) > 1 or name.isascii():
        return " ".join(word[0] + "*" * min(len(word) - 1, 3) for word in words) or "*"
    return name[:1] + ("*" if len(name) <= 2 else "*" * min(len(name) - 2, 3) + name[-1:])


def applied(table: Mapping[bytes, bytes], records: Sequence[bytes], removed: Sequence[bytes]) -> dict[bytes, bytes]:
    """A table after a delta: lid -> record."""
    gone = frozenset(removed)
    kept = {lid: record for lid, record in table.items() if lid not in gone}
    return kept | {record[:LID]: record for record in records}
