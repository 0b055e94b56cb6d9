"""Writes seal.json: `python -m tests.vectors.make_seal`. Seeded, so the file changes only when the format does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from community_flow.domain import sealing

SEED = b"community-flow/vectors/seal"
CONTENTS: list[dict[str, Any]] = [
    {"pass": "CF1:" + "0" * 116},
    {"tag": "04A2B3C4"},
    {"ref": "s_2f9c41d07e"},
    {"claimed": {"unit": "7-3-1102", "name": "林·晓梅𠮷"}, "operator": "g12", "note": "手机没电，已核对门牌"},
    {"pass": "x" * 500, "challenge": "c" * 22},
    {},
]


def stream(label: str, count: int) -> bytes:
    """Bytes that anyone can make again."""
    return hashlib.shake_256(SEED + label.encode()).digest(count)


def p256(label: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(stream(label, 31), "big") + 1, ec.SECP256R1())


def scalar(key: ec.EllipticCurvePrivateKey) -> str:
    return sealing.text(key.private_numbers().private_value.to_bytes(32, "big"))


def cases() -> list[dict[str, Any]]:
    recipient = p256("recipient")
    made = []
    for number, content in enumerate(CONTENTS):
        ephemeral, nonce = p256(f"ephemeral{number}"), stream(f"nonce{number}", 12)
        sealed = sealing.seal(content, "1", sealing.public_bytes(recipient), ephemeral, nonce)
        made.append({"content": content, "ephemeral": scalar(ephemeral), "sealed": sealed})
    return made


def hostile(good: dict[str, str]) -> list[dict[str, Any]]:
    """Seals that must not open, with why."""
    off_curve = sealing.text(b"\x04" + b"\x01" * 64)
    changed = sealing.raw(good["ct"])
    flipped = sealing.text(bytes([changed[0] ^ 1]) + changed[1:])
    return [
        {"why": "another key id", "sealed": good | {"kid": "2"}},
        {"why": "a flipped bit", "sealed": good | {"ct": flipped}},
        {"why": "a shortened text", "sealed": good | {"ct": good["ct"][:-4]}},
        {"why": "an empty text", "sealed": good | {"ct": ""}},
        {"why": "a point off the curve", "sealed": good | {"epk": off_curve}},
        {"why": "a point at infinity", "sealed": good | {"epk": "AA"}},
        {"why": "a nonce of 11 bytes", "sealed": good | {"nonce": sealing.text(b"n" * 11)}},
        {"why": "not base64url", "sealed": good | {"ct": "+/=="}},
        {"why": "no key", "sealed": {name: good[name] for name in ("kid", "nonce", "ct")}},
    ]


def main() -> None:
    good = cases()
    recipient = p256("recipient")
    body = {
        "recipient": {
            "kid": "1",
            "private": scalar(recipient),
            "public": sealing.text(sealing.public_bytes(recipient)),
        },
        "cases": good,
        "hostile": hostile(good[0]["sealed"]),
    }
    Path(__file__).with_name("seal.json").write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
