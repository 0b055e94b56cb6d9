"""One backup as one file: a tar whose parts are gzip, sealed when there is a secret, each with its SHA-256.

Members: the parts, then `manifest.json` (readable, so that a person can see what a file is), then `manifest.sum`: the
manifest's HMAC under the secret, or its SHA-256 in a backup without one. A part is sealed in pieces of 1 MiB by
AES-256-GCM; the nonce is the piece's number and whether it is the last, so that none can be left out or moved.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import tarfile
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from community_flow.domain.errors import Conflict

FORMAT = 1
PIECE = 2**20
TAG = 16
MANIFEST, SUM = "manifest.json", "manifest.sum"
INFO = b"community-flow/backup/v1"
SCRYPT = {"n": 2**15, "r": 8, "p": 1}

CUT_OFF = "%(path)s is no whole backup (%(why)s): take another one."
CHANGED = "%(path)s was changed or damaged (%(part)s): take another one."
SEALED = "%(path)s is sealed with %(by)s: %(what)s."
WRONG_KEY = "%(path)s does not open with this secret: give the one that it was made with."
REMEDIES = {
    "a key file": "set FLOW_KEY_FILE to the file that was set when it was made",
    "a passphrase": "give --passphrase-file",
}


@dataclass(frozen=True)
class Secret:
    """What a backup is sealed with. ``by`` is told in the manifest."""

    by: str
    material: bytes

    def key(self, salt: bytes) -> bytes:
        material = self.material
        if self.by == "a passphrase":  # a key file is random already; a passphrase is made costly to guess
            material = hashlib.scrypt(material, salt=salt, maxmem=2**26, dklen=32, **SCRYPT)
        return HKDF(SHA256(), 32, salt, INFO).derive(material)


class Sink(Protocol):
    def write(self, data: bytes, /) -> Any: ...


@dataclass(frozen=True)
class PartInfo:
    name: str
    bytes: int
    sha256: str


class ArchiveWriter:
    """Writes parts one after the other; `finish` makes it a backup."""

    def __init__(self, file: IO[bytes], secret: Secret | None) -> None:
        self.file, self.secret = file, secret
        self.salt = secrets.token_bytes(16)
        self.key = secret.key(self.salt) if secret else None
        self.parts: list[PartInfo] = []
        self._now_s = int(time.time())

    @contextmanager
    def part(self, name: str) -> Iterator[Sink]:
        """What is written goes into the part; its size is put into the head when it is known."""
        head = self.file.tell()
        self.file.write(bytes(tarfile.BLOCKSIZE))
        counted = _Counted(self.file)
        sink = _Gzip(counted if self.key is None else _Sealing(counted, part_key(self.key, name)))
        yield sink
        sink.end()
        self._close(head, name, counted.size)
        self.parts.append(PartInfo(name, counted.size, counted.digest.hexdigest()))

    def finish(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Write the manifest, and everything to disk."""
        whole = {
            "format": FORMAT, **manifest,
            "sealed": {"by": self.secret.by if self.secret else None, "salt": self.salt.hex()},
            "parts": [vars(each) for each in self.parts],
        }  # fmt: skip
        text = json.dumps(whole, indent=1).encode()
        for name, content in ((MANIFEST, text), (SUM, _sum(self.key, text).encode())):
            head = self.file.tell()
            self.file.write(bytes(tarfile.BLOCKSIZE) + content)
            self._close(head, name, len(content))
        self.file.write(bytes(2 * tarfile.BLOCKSIZE))
        self.file.flush()
        os.fsync(self.file.fileno())
        return whole

    def _close(self, head: int, name: str, size: int) -> None:
        self.file.write(bytes(-size % tarfile.BLOCKSIZE))
        end = self.file.tell()
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, self._now_s
        self.file.seek(head)
        self.file.write(info.tobuf(tarfile.GNU_FORMAT))
        self.file.seek(end)


class ArchiveReader:
    """Opens a backup; raises Conflict with what is wrong and what to do. Nothing is believed before `verify`."""

    def __init__(self, path: Path, secrets_known: dict[str, Secret]) -> None:
        self.path = path
        try:
            self.tar = tarfile.open(path, "r:")  # noqa: SIM115 - closed by `close`
            names = self.tar.getnames()
        except (OSError, tarfile.TarError) as error:
            raise Conflict(CUT_OFF, path=path, why=str(error)) from error
        if not {MANIFEST, SUM} <= set(names):
            raise Conflict(CUT_OFF, path=path, why="its end is missing")
        text = self._member(MANIFEST)
        self.manifest: Mapping[str, Any] = self._parse(text)
        self.key = self._key(secrets_known)
        if not hmac.compare_digest(self._member(SUM), _sum(self.key, text).encode()):
            wrong = WRONG_KEY if self.key else CHANGED
            raise Conflict(wrong, path=path, part=MANIFEST)
        self.parts = [PartInfo(**each) for each in self.manifest["parts"]]

    def verify(self) -> None:
        """Read everything once and compare; raises Conflict."""
        for part in self.parts:
            digest, size = hashlib.sha256(), 0
            for piece in self._raw(part.name):
                digest.update(piece)
                size += len(piece)
            if (size, digest.hexdigest()) != (part.bytes, part.sha256):
                raise Conflict(CHANGED, path=self.path, part=part.name)

    def content(self, name: str) -> Iterator[bytes]:
        """A part as it was written into the archive."""
        pieces = self._raw(name)
        try:
            yield from _unzipped(pieces if self.key is None else _opened(pieces, part_key(self.key, name)))
        except (InvalidTag, zlib.error, EOFError) as error:
            raise Conflict(CHANGED, path=self.path, part=name) from error

    def close(self) -> None:
        self.tar.close()

    def _parse(self, text: bytes) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise Conflict(CHANGED, path=self.path, part=MANIFEST) from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise Conflict(CUT_OFF, path=self.path, why="another version of Community Flow made it, or something else")
        return found

    def _key(self, known: dict[str, Secret]) -> bytes | None:
        by = self.manifest["sealed"]["by"]
        if by is None:
            return None
        if by not in known:
            raise Conflict(SEALED, path=self.path, by=by, what=REMEDIES.get(by, "a newer version opens it"))
        return known[by].key(bytes.fromhex(self.manifest["sealed"]["salt"]))

    def _member(self, name: str) -> bytes:
        return b"".join(self._raw(name))

    def _raw(self, name: str) -> Iterator[bytes]:
        try:
            file = self.tar.extractfile(name)
            while file is not None and (piece := file.read(PIECE)):
                yield piece
        except (KeyError, OSError, tarfile.TarError) as error:
            raise Conflict(CUT_OFF, path=self.path, why=f"{name} cannot be read") from error


def part_key(key: bytes, name: str) -> bytes:
    """A key of its own for each part, so that one cannot stand in another's place."""
    return HKDF(SHA256(), 32, None, INFO + b"/" + name.encode()).derive(key)


def _sum(key: bytes | None, text: bytes) -> str:
    if key is None:
        return hashlib.sha256(text).hexdigest()
    return hmac.new(part_key(key, SUM), text, hashlib.sha256).hexdigest()


class _Counted:
    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.size, self.digest = file, 0, hashlib.sha256()

    def write(self, data: bytes) -> None:
        self.file.write(data)
        self.digest.update(data)
        self.size += len(data)

    def end(self) -> None:
        pass


class _Sealing:
    def __init__(self, below: _Counted, key: bytes) -> None:
        self.below, self.cipher, self.number = below, AESGCM(key), 0
        self.waiting = bytearray()

    def write(self, data: bytes) -> None:
        self.waiting += data
        while len(self.waiting) > PIECE:  # the last piece is known as such only at the end
            self._put(bytes(self.waiting[:PIECE]), last=False)
            del self.waiting[:PIECE]

    def end(self) -> None:
        self._put(bytes(self.waiting), last=True)

    def _put(self, piece: bytes, *, last: bool) -> None:
        self.below.write(self.cipher.encrypt(_nonce(self.number, last), piece, None))
        self.number += 1


class _Gzip:
    def __init__(self, below: _Counted | _Sealing) -> None:
        self.below, self.zip = below, zlib.compressobj(3, zlib.DEFLATED, 31)

    def write(self, data: bytes) -> None:
        packed = self.zip.compress(data)
        if packed:
            self.below.write(packed)

    def end(self) -> None:
        self.below.write(self.zip.flush())
        self.below.end()


def _nonce(number: int, last: bool) -> bytes:
    return bytes([last]) + number.to_bytes(11, "big")


def _opened(pieces: Iterator[bytes], key: bytes) -> Iterator[bytes]:
    cipher, number, size = AESGCM(key), 0, PIECE + TAG
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) > size:
            yield cipher.decrypt(_nonce(number, False), bytes(waiting[:size]), None)
            del waiting[:size]
            number += 1
    yield cipher.decrypt(_nonce(number, True), bytes(waiting), None)


def _unzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    unzip = zlib.decompressobj(31)
    for piece in pieces:
        waiting = piece
        while waiting:
            found = unzip.decompress(waiting, PIECE)
            waiting = unzip.unconsumed_tail
            if found:
                yield found
    left = unzip.flush()
    if left:
        yield left
    if not unzip.eof:
        raise EOFError
