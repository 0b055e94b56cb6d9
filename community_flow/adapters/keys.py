"""Keys of this installation: made once, files of mode 0600, wrapped by FLOW_KEY_FILE when that is set."""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

NAMES = ("card", "table", "ingest", "community", "audit", "session", "delta", "device")
WRAP_INFO = b"community-flow/key-file/v1"
MOST_KEYS = 255
LOOK_AGAIN_S = 1.0
"""A key that a command made beside the server is in use this soon."""


class KeyTrouble(RuntimeError):
    """The key folder cannot be used; the message names the remedy."""


@dataclass(frozen=True)
class Key:
    """One key: ``id`` 1-255, valid from ``from_ms``; ``secret`` is raw bytes, or PKCS 8 DER for card, delta, ingest."""

    name: str
    id: int
    from_ms: int
    secret: bytes

    def ed25519(self) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.from_private_bytes(self.secret)

    def p256(self) -> ec.EllipticCurvePrivateKey:
        key = load_der_private_key(self.secret, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key


class KeyRing:
    """Reads and makes the keys in one folder.

    card, delta: Ed25519 seeds (32 bytes). ingest: a P-256 private key. table, community, audit, session, device:
    32 random bytes.
    The community key, like card and table, is derived per community by the caller (HKDF over the community's uid).
    """

    def __init__(
        self,
        folder: Path,
        key_file: Path | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.folder, self.now_ms = folder, now_ms
        self._wrapping = _wrapping_key(key_file)
        self._known: dict[str, tuple[Key, ...]] = {}
        self._files: tuple[str, ...] = ()
        self._looked_s = 0.0

    def ensure(self) -> None:
        """Make what is missing. Never replaces a key."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(self.folder, 0o700)
        for name in NAMES:
            if not self.all(name):
                self._add(name, 1, 0)

    def rotate(self, name: str, after_ms: int = 0) -> Key:
        """A new key, in use ``after_ms`` from now; the old ones stay for what they signed."""
        keys = self.all(name)
        if keys[-1].id >= MOST_KEYS:
            raise KeyTrouble(
                f"There are {MOST_KEYS} {name} keys, and a pass has room for no more: they cannot be renewed."
            )
        self._add(name, keys[-1].id + 1, self.now_ms() + after_ms)
        return self.all(name)[-1]

    def now(self, name: str) -> Key:
        """The newest key by that name that is in use already; raises KeyTrouble when there is none."""
        keys = self.all(name)
        if not keys:
            raise KeyTrouble(f"There is no {name} key in {self.folder}: run `python -m community_flow init`.")
        now_ms = self.now_ms() if len(keys) > 1 else 0
        return next((key for key in reversed(keys) if key.from_ms <= now_ms), keys[0])

    def all(self, name: str) -> tuple[Key, ...]:
        """Every key by that name, oldest first, those announced for later included."""
        self._look()
        found = self._known.get(name)
        if found is None:
            paths = sorted(self.folder.glob(f"{name}-*.json"))
            found = self._known[name] = tuple(self._read(name, path) for path in paths)
        return found

    def _look(self) -> None:
        """Forget what was read when files came or went: a command beside the server makes keys too."""
        if time.monotonic() - self._looked_s < LOOK_AGAIN_S:
            return
        self._looked_s = time.monotonic()
        files = tuple(sorted(os.listdir(self.folder))) if self.folder.is_dir() else ()
        if files != self._files:
            self._files, self._known = files, {}

    def _add(self, name: str, number: int, from_ms: int) -> None:
        path = self.folder / f"{name}-{number:03d}.json"
        sealed = self._wrap(_fresh(name), name, number)
        body = json.dumps({"id": number, "from_ms": from_ms, "wrapped": self._wrapping is not None, "secret": sealed})
        # Written elsewhere first: a server beside this command never reads half a key.
        part = path.with_suffix(".part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, path)
        except FileExistsError as error:
            raise KeyTrouble(f"{path} was made by somebody else at the same moment: look at `keys list`.") from error
        finally:
            part.unlink()
        self._known.pop(name, None)

    def _read(self, name: str, path: Path) -> Key:
        body = json.loads(path.read_text())
        secret = base64.b64decode(body["secret"])
        if body["wrapped"]:
            if self._wrapping is None:
                raise KeyTrouble(f"{path} is wrapped: set FLOW_KEY_FILE to the file it was wrapped with.")
            try:
                secret = AESGCM(self._wrapping).decrypt(secret[:12], secret[12:], f"{name}-{body['id']}".encode())
            except InvalidTag as error:
                raise KeyTrouble(f"{path} was wrapped with another FLOW_KEY_FILE: set that one.") from error
        return Key(name, body["id"], body["from_ms"], secret)

    def _wrap(self, secret: bytes, name: str, number: int) -> str:
        if self._wrapping is not None:
            nonce = secrets.token_bytes(12)
            secret = nonce + AESGCM(self._wrapping).encrypt(nonce, secret, f"{name}-{number}".encode())
        return base64.b64encode(secret).decode()


def _fresh(name: str) -> bytes:
    if name == "ingest":
        key = ec.generate_private_key(ec.SECP256R1())
        return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return secrets.token_bytes(32)


def _wrapping_key(key_file: Path | None) -> bytes | None:
    if key_file is None:
        return None
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    try:
        material = key_file.read_bytes()
    except OSError as error:
        raise KeyTrouble(f"FLOW_KEY_FILE {key_file} cannot be read: {error.strerror}.") from error
    if len(material) < 32:
        raise KeyTrouble(f"FLOW_KEY_FILE {key_file} holds under 32 bytes: fill it with `head -c 32 /dev/urandom`.")
    return HKDF(SHA256(), 32, None, WRAP_INFO).derive(material)
