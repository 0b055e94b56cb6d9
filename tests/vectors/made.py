"""Seeded keys and bytes for the vector files: anyone can make the same ones again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Made:
    """Everything derived from one seed."""

    def __init__(self, seed: str) -> None:
        self.seed = seed.encode()

    def bytes(self, label: str, count: int) -> bytes:
        return hashlib.shake_256(self.seed + b"/" + label.encode()).digest(count)

    def number(self, label: str, below: int) -> int:
        return int.from_bytes(self.bytes(label, 8), "big") % below

    def pick(self, label: str, choices: Any) -> Any:
        return choices[self.number(label, len(choices))]

    def ed25519(self, label: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.bytes(label, 32))

    def p256(self, label: str) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(self.bytes(label, 31), "big") + 1, ec.SECP256R1())


class SteadyP256:
    """A P-256 key that signs the same bytes the same way (RFC 6979), so that a vector file can be made again."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self.key = key

    def sign(self, message: bytes, _: Any) -> bytes:
        return self.key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def public(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def write(name: str, body: dict[str, Any]) -> None:
    """One case a line: a changed format shows as changed lines."""
    lists = {key: value for key, value in body.items() if isinstance(value, list)}
    head = {key: value for key, value in body.items() if key not in lists}
    parts = [f"{_json(key)}: {_json(value)}" for key, value in head.items()]
    parts += [f"{_json(key)}: [\n" + ",\n".join(_json(case) for case in cases) + "\n]" for key, cases in lists.items()]
    (Path(__file__).parent / name).write_text("{\n" + ",\n".join(parts) + "\n}\n")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
