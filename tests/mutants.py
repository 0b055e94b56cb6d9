"""Genuine passes and what becomes of them when letters, bytes, fields or signatures are changed.

The Python reader here and tests/vectors/mutants.mjs give one answer for each text: what the token is, what its proof
shows, and what a gate would say. No mutant may be let in, and both readers must say the same.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from community_flow.domain import admission, base45, passes
from community_flow.domain.gate_table import Record
from community_flow.domain.sealing import raw, text
from tests.vectors import make_passes
from tests.vectors.make_passes import CARD_KEYS, CHALLENGE, ED25519_ORDER, HOME, NOW_MS, PHONE, PHONE_P256

RUNNER = Path(__file__).parent / "vectors" / "mutants.mjs"
LETTERS = base45.ALPHABET
ELSEWHERE = "abcz#&_\n\r\t\0\x7f０Ａ　é\u0301\u202e\ud800\U00020bb7"
TYPES = (0x11, 0x12, 0x13, 0x14, 0x21, 0x00, 0x22, 0xFF)
Mutation = Callable[[random.Random, str, Sequence[str]], str]


def genuine() -> list[str]:
    """Cards of two keys, and codes of phones of both algorithms, plain and challenged."""
    cards = [make_passes.card(label=f"mutant {number}", serial=number) for number in range(12)]
    old = [make_passes.card(make_passes.OLD_CARD, key_id=1, label=f"old {number}") for number in range(4)]
    phones = [
        make_passes.phone(signer, at_ms=NOW_MS + second * 1000, challenge=challenge)
        for signer in (PHONE, PHONE_P256)
        for challenge in (b"", CHALLENGE)
        for second in (-10, 0, 10)
    ]
    return cards + old + phones


def credential(token: passes.Token) -> passes.Credential | None:
    """The record's key for a token of the phone; by the algorithm it names, so that both are always tried."""
    if token.handle != make_passes.handle("phone"):
        return None
    p256 = token.type in passes.P256_TYPES
    record = make_passes.P256_RECORD if p256 else make_passes.credential()
    return passes.Credential(raw(record["key"]), frozenset(passes.Type(each) for each in record["types"]))


def answer(code: str) -> str:
    """proof/decision/reason, as a gate comes to it. Raises nothing for any text."""
    token = passes.decode(code)
    if isinstance(token, passes.Fault):
        return _said(token.value, admission.Shown(kind="card", fault=token), None)
    if token.is_card:
        proof = passes.prove_card(token, HOME, CARD_KEYS)
        return _said(proof.value, admission.Shown(kind="card", proof=proof), Record(types=(0x21,), name="*"))
    found = credential(token)
    proof = passes.prove_rotating(token, HOME, found, CHALLENGE) if found else passes.Proof.GOOD
    shown = admission.Shown(kind="rotating", proof=proof, clock_good=passes.clock_good(token, NOW_MS))
    return _said(proof.value if found else "nobody", shown, Record(types=(), name="*") if found else None)


def _said(proof: str, shown: admission.Shown, record: Record | None) -> str:
    gate = admission.Gate(gate="east", direction="in", at_ms=NOW_MS)
    said = admission.evaluate(shown, record, gate, admission.State())
    return f"{proof}/{said.decision}/{said.reason}"


def world() -> dict[str, Any]:
    """What the JavaScript reader must know to answer the same texts."""
    phone = make_passes.handle("phone").hex()
    return {
        "community": text(HOME), "challenge": text(CHALLENGE), "at_ms": NOW_MS, "phone": phone,
        "keys": [{"community": text(key.community), "id": key.id, "key": text(key.public)} for key in CARD_KEYS],
        "ed25519": make_passes.credential(), "p256": make_passes.P256_RECORD,
    }  # fmt: skip


def by_javascript(codes: Sequence[str], *options: str) -> dict[str, Any]:
    """{answers, us, library}: what the gate's own reader says of the same texts; ``library`` counts what the kept
    Ed25519 was asked for want of the browser's."""
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert node is not None, "install node 18 or newer"
    given = json.dumps({**world(), "codes": list(codes)})
    done = subprocess.run([node, str(RUNNER), *options], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --- changing ----------------------------------------------------------------------------------------------------


def mutants(seed: int, count: int) -> Iterator[str]:
    """``count`` texts that are no genuine pass, the same for the same seed."""
    rng, good = random.Random(seed), genuine()
    known, made = frozenset(good), 0
    while made < count:
        code = rng.choice(MUTATIONS)(rng, rng.choice(good), good)
        if code not in known:
            made += 1
            yield code


def _letters(rng: random.Random, code: str, _: Sequence[str]) -> str:
    letters = list(code)
    for _change in range(rng.choice((1, 1, 2, 5, 40))):
        letters[rng.randrange(len(letters))] = rng.choice(LETTERS)
    return "".join(letters)


def _foreign_letter(rng: random.Random, code: str, _: Sequence[str]) -> str:
    at = rng.randrange(len(code))
    return code[:at] + rng.choice(ELSEWHERE) + code[at + 1 :]


def _moved(rng: random.Random, code: str, _: Sequence[str]) -> str:
    """Letters swapped, left out, doubled, turned round, or the end cut off."""
    at, to = sorted((rng.randrange(4, len(code)), rng.randrange(4, len(code))))
    return rng.choice((
        code[:at] + code[to:] + code[at:to], code[:at] + code[at + 1 :], code[:at] + code[at] + code[at:],
        code[:at] + code[at:to][::-1] + code[to:], code[:to], code.lower(), code + " ", " " + code, code.strip("0"),
    ))  # fmt: skip


def _bits(rng: random.Random, code: str, _: Sequence[str]) -> str:
    body = bytearray(base45.decode(code[4:]))
    for _change in range(rng.choice((1, 1, 1, 2, 8))):
        at = rng.randrange(len(body) * 8)
        body[at // 8] ^= 1 << at % 8
    return _text(body)


def _field(rng: random.Random, code: str, _: Sequence[str]) -> str:
    """Another type, key, handle, time, expiry or serial over the same signature."""
    body = bytearray(base45.decode(code[4:]))
    match rng.randrange(4):
        case 0:
            body[0] = rng.choice(TYPES)
        case 1:
            body[1] = rng.choice((0, 1, 2, 7, 99))
        case 2:
            body[9:13] = rng.randbytes(4)
        case _:
            body[2:10] = rng.randbytes(8)
    return _text(body)


def _spliced(rng: random.Random, code: str, good: Sequence[str]) -> str:
    """The head of one pass over the signature of another."""
    other = base45.decode(rng.choice(good)[4:])
    cut = rng.choice((passes.HEAD_LENGTH, passes.HEAD_LENGTH + 32, rng.randrange(1, passes.TOKEN_LENGTH)))
    return _text(base45.decode(code[4:])[:cut] + other[cut:])


def _spelled(rng: random.Random, code: str, _: Sequence[str]) -> str:
    """The same signature written otherwise, or one that nobody made."""
    body = base45.decode(code[4:])
    head, r, s = body[:13], body[13:45], body[45:]
    little, big = int.from_bytes(s, "little"), int.from_bytes(s, "big")
    return _text(head + rng.choice((
        r + ((little + rng.randrange(1, 15) * ED25519_ORDER) % 2**256).to_bytes(32, "little"),
        r + ((passes.P256_ORDER - big) % passes.P256_ORDER).to_bytes(32, "big"),
        r + bytes(32), bytes(32) + s, s + r, b"\x01" + bytes(63), bytes(64), b"\xff" * 64, rng.randbytes(64),
    )))  # fmt: skip


def _noise(rng: random.Random, code: str, _: Sequence[str]) -> str:
    length = rng.choice((0, 1, 4, 119, 120, 121, 300))
    return ("CF1:" + "".join(rng.choices(LETTERS, k=length)))[:length]


def _text(body: bytes | bytearray) -> str:
    return passes.PREFIX + base45.encode(bytes(body))


MUTATIONS: tuple[Mutation, ...] = (_letters, _foreign_letter, _moved, _bits, _field, _spliced, _spelled, _noise)
