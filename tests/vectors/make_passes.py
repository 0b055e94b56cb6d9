"""Writes passes.json: `python -m tests.vectors.make_passes`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from community_flow.domain import base45, passes
from community_flow.domain.sealing import raw, text
from tests.vectors.made import Made, SteadyP256, public, write

MADE = Made("community-flow/vectors/passes")
HOME, OTHER = MADE.bytes("home", 16), MADE.bytes("other", 16)
CARD = MADE.ed25519("card")
OLD_CARD = MADE.ed25519("old card")
OTHER_CARD = MADE.ed25519("other card")
STRANGER = MADE.ed25519("stranger")
PHONE, PHONE_P256 = MADE.ed25519("phone"), MADE.p256("phone")
CHALLENGE = MADE.bytes("challenge", 16)
NOW_MS = 1_795_420_800_000
CARD_KEYS = [
    passes.CardKey(HOME, 1, public(OLD_CARD)),
    passes.CardKey(HOME, 2, public(CARD)),
    passes.CardKey(OTHER, 2, public(OTHER_CARD)),
    passes.CardKey(OTHER, 7, public(OTHER_CARD)),
]
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
Case = dict[str, Any]


def handle(label: object) -> bytes:
    return MADE.bytes(f"handle {label}", 8)


def card(signer: Any = CARD, community: bytes = HOME, key_id: int = 2, label: object = 0, **given: Any) -> str:
    values: dict[str, Any] = {"expiry_day": 1054, "serial": 0} | given
    return passes.card(signer, community, key_id=key_id, handle=handle(label), **values)


def phone(signer: Any = PHONE, community: bytes = HOME, at_ms: int = NOW_MS, challenge: bytes = b"") -> str:
    if isinstance(signer, ec.EllipticCurvePrivateKey):
        kind = passes.Type.P256_CHALLENGED if challenge else passes.Type.P256
        bare = passes.Token(kind, handle("phone"), b"", token_s=at_ms // 1000 - passes.EPOCH_S)
        message = passes.signed_bytes(community, bare.head, challenge)
        return text_of(bare.head, passes.raw_p256(SteadyP256(signer).sign(message, None)))
    return passes.rotating(signer, community, handle=handle("phone"), at_ms=at_ms, challenge=challenge)


def text_of(head: bytes, signature: bytes) -> str:
    return passes.PREFIX + base45.encode(head + signature)


def credential(signer: Any = PHONE, types: tuple[int, ...] = (0x11, 0x12)) -> Case:
    return {"key": text(public(signer)), "types": list(types)}


P256_RECORD = credential(PHONE_P256, (0x13, 0x14))


def good_cards() -> Iterator[Case]:
    for number in range(40):
        given: dict[str, Any] = {
            "expiry_day": MADE.number(f"day{number}", 65_536),
            "serial": MADE.number(f"serial{number}", 256),
        }
        yield {"why": f"card {number}", "text": card(label=number, **given)}
    yield {"why": "a card by the key before", "text": card(OLD_CARD, key_id=1)}
    yield {"why": "another community's card", "text": card(OTHER_CARD, OTHER, 7)}
    yield {"why": "another community's card with our key id", "text": card(OTHER_CARD, OTHER, 2)}
    yield {"why": "first day, last serial", "text": card(expiry_day=0, serial=255)}
    yield {"why": "last day", "text": card(expiry_day=65_535)}


def bad_cards() -> Iterator[Case]:
    yield {"why": "signed by a stranger", "text": card(STRANGER)}
    yield {"why": "ours, signed for another community", "text": card(CARD, OTHER)}
    yield {"why": "their key, our community", "text": card(OTHER_CARD, HOME)}
    yield {"why": "the old key under the new id", "text": card(OLD_CARD, key_id=2)}
    yield {"why": "a key id nobody has", "text": card(STRANGER, key_id=99)}
    good = passes.decode(card())
    assert isinstance(good, passes.Token)
    yield {"why": "a signature of zeros", "text": text_of(good.head, bytes(64))}
    yield {"why": "a signature of ones", "text": text_of(good.head, b"\xff" * 64)}
    whole = good.head + good.signature
    for number in range(45):
        at = MADE.number(f"flip{number}", 77 * 8)
        changed = bytearray(whole)
        changed[at // 8] ^= 1 << at % 8
        yield {
            "why": f"bit {at} flipped",
            "text": passes.PREFIX + base45.encode(bytes(changed)),
            "credential": credential(),
        }


def rotating() -> Iterator[Case]:
    for signer, record in ((PHONE, credential()), (PHONE_P256, P256_RECORD)):
        name = "Ed25519" if signer is PHONE else "P-256"
        for ahead_ms in (-46_000, -45_001, -45_000, -44_999, -1, 0, 1, 14_999, 15_000, 15_001, 16_000, -86_400_000):
            code = {"why": f"{name}, event {-ahead_ms} ms after it", "text": phone(signer), "credential": record}
            yield code | {"at_ms": NOW_MS - ahead_ms}
        for number in range(10):
            at_ms = NOW_MS + number * 9_999_000
            yield {"why": f"{name} {number}", "text": phone(signer, at_ms=at_ms), "credential": record, "at_ms": at_ms}
        answered = phone(signer, challenge=CHALLENGE)
        common = {"text": answered, "credential": record, "at_ms": NOW_MS}
        yield common | {"why": f"{name} challenged", "challenge": text(CHALLENGE)}
        yield common | {"why": f"{name} another challenge", "challenge": text(MADE.bytes("another", 16))}
        yield common | {"why": f"{name} no challenge"}
        yield common | {"why": f"{name} a short challenge", "challenge": text(CHALLENGE[:15])}
        plain = {"text": phone(signer), "at_ms": NOW_MS}
        yield plain | {"why": f"{name} plain, though challenged", "credential": record, "challenge": text(CHALLENGE)}
        yield plain | {"why": f"{name} of another phone", "credential": credential(STRANGER, tuple(record["types"]))}
        yield plain | {"why": f"{name}, only challenged allowed", "credential": record | {"types": record["types"][1:]}}
        yield plain | {"why": f"{name}, a card's record", "credential": record | {"types": [0x21]}}
        yield plain | {"why": f"{name}, a key of 31 bytes", "credential": record | {"key": text(bytes(31))}}
        yield plain | {"why": f"{name}, no key", "credential": record | {"key": ""}}
        foreign = {"text": phone(signer, OTHER), "credential": record, "at_ms": NOW_MS}
        yield foreign | {"why": f"{name} signed for another community"}
        swapped = credential(PHONE_P256 if signer is PHONE else PHONE, (0x11, 0x12, 0x13, 0x14))
        yield plain | {"why": f"{name}, the record holds the other algorithm's key", "credential": swapped}
    yield from p256_spellings()


def p256_spellings() -> Iterator[Case]:
    good = passes.decode(phone(PHONE_P256))
    assert isinstance(good, passes.Token)
    r, s = good.signature[:32], int.from_bytes(good.signature[32:], "big")
    tried = {
        "high s": r + (passes.P256_ORDER - s).to_bytes(32, "big"),
        "s = 0": r + bytes(32),
        "r = 0": bytes(32) + good.signature[32:],
        "r = order": passes.P256_ORDER.to_bytes(32, "big") + good.signature[32:],
        "s = order": r + passes.P256_ORDER.to_bytes(32, "big"),
        "all ones": b"\xff" * 64,
    }
    for why, signature in tried.items():
        yield {"why": f"P-256 {why}", "text": text_of(good.head, signature), "credential": P256_RECORD, "at_ms": NOW_MS}
    off_curve = P256_RECORD | {"key": text(b"\x04" + b"\x01" * 64)}
    compressed = P256_RECORD | {"key": text(b"\x02" + public(PHONE_P256)[1:33])}
    for why, record in {"a point off the curve": off_curve, "a compressed point": compressed}.items():
        yield {"why": f"P-256 {why}", "text": phone(PHONE_P256), "credential": record, "at_ms": NOW_MS}


def keys_of_many_signers() -> Iterator[Case]:
    """Keys of small order under a signature that nobody made and that OpenSSL would take."""
    for bare in sorted(passes.SMALL_ORDER):
        for sign in (0, 0x80):
            key = bare[:31] + bytes([bare[31] | sign])
            why = f"Ed25519, a key of small order {bare[:2].hex()}{sign:02x}"
            yield {"why": why, "text": taken_by_openssl(key), "credential": credential() | {"key": text(key)}}


def taken_by_openssl(key: bytes) -> str:
    nobodys = b"\x01" + bytes(63)
    loaded = Ed25519PublicKey.from_public_bytes(key)
    for second in range(1000):
        head = passes.Token(passes.Type.ED25519, handle("phone"), b"", token_s=second).head
        try:
            loaded.verify(nobodys, passes.signed_bytes(HOME, head))
        except InvalidSignature:
            continue
        return text_of(head, nobodys)
    raise AssertionError("this key is not of small order")


def ed25519_spellings() -> Iterator[Case]:
    """Other spellings of a good signature: S beyond the order, R as a number beyond the field."""
    for code, more in ((card(), {}), (phone(), {"credential": credential(), "at_ms": NOW_MS})):
        good = passes.decode(code)
        assert isinstance(good, passes.Token)
        r, s = good.signature[:32], int.from_bytes(good.signature[32:], "little")
        for times in (1, 2, 14):
            spelled = r + (s + times * ED25519_ORDER).to_bytes(32, "little")
            yield {"why": f"S + {times} L, type {good.type:#x}", "text": text_of(good.head, spelled)} | more
        flipped = r[:31] + bytes([r[31] ^ 0x80]) + good.signature[32:]
        yield {"why": f"the sign of R turned, type {good.type:#x}", "text": text_of(good.head, flipped)} | more


def texts() -> Iterator[Case]:
    good = card()
    spaced = next(code for number in range(500) if " " in (code := card(label=f"space{number}")))
    tried = {
        "empty": "",
        "a link": "https://example.org/pass?id=17",
        "another prefix": "CF2:" + good[4:],
        "small prefix": "cf1:" + good[4:],
        "a space before": " " + good,
        "a space behind": good + " ",
        "a line end": good + "\n",
        "one short": good[:-1],
        "two short": good[:-2],
        "three short": good[:-3],
        "only the prefix": "CF1:",
        "small letters": "CF1:" + good[4:].lower(),
        "a letter outside": "CF1:" + "#" + good[5:],
        "full width": "CF1:" + "０" + good[5:],
        "a group above its range": "CF1:" + ":::" + good[7:],
        "a last pair above its range": good[:-2] + "::",
        "zeros": "CF1:" + "0" * 116,
        "a surrogate pair": "CF1:" + "\U00020bb7" * 58,
        "very long": "CF1:" + "0" * 5000,
        "NUL": "CF1:" + "\0" * 116,
    }
    yield from ({"why": why, "text": value} for why, value in tried.items())
    yield {"why": "spaces are data", "text": spaced}
    yield {"why": "spaces trimmed away", "text": spaced.replace(" ", "")}
    body = base45.decode(good[4:])
    for kind in (0x00, 0x10, 0x15, 0x20, 0x22, 0xFF):
        yield {"why": f"type {kind:#x}", "text": passes.PREFIX + base45.encode(bytes([kind]) + body[1:])}


def expected(case: Case) -> Case:
    """What reading and proving this case gives."""
    token = passes.decode(case["text"])
    if isinstance(token, passes.Fault):
        return {"fault": token.value}
    found: Case = {"type": int(token.type), "handle": token.handle.hex()}
    if token.is_card:
        found |= {"key_id": token.key_id, "expiry_day": token.expiry_day, "serial": token.serial}
        return found | {"proof": passes.prove_card(token, HOME, CARD_KEYS).value}
    found |= {"token_s": token.token_s}
    if "credential" in case:
        record = passes.Credential(
            raw(case["credential"]["key"]), frozenset(passes.Type(each) for each in case["credential"]["types"])
        )
        found["proof"] = passes.prove_rotating(token, HOME, record, raw(case.get("challenge", ""))).value
    if "at_ms" in case:
        found["clock_good"] = passes.clock_good(token, cast(int, case["at_ms"]))
    return found


NUMBERS = ("000000", "482913", "999999", "070707")


def challenge_of(number: str, community: bytes = HOME) -> bytes:
    """The 16 bytes that a phone signs for the six digits on a guard's screen."""
    return hashlib.sha256(b"community-flow/challenge/v1\0" + community + number.encode()).digest()[:16]


def answers() -> Iterator[Case]:
    """What a gate asks, what a phone then shows, and what that says. Times are seconds on the gate's clock."""
    mine, other, third, _ = NUMBERS
    for name, signer in (("Ed25519", PHONE), ("P-256", PHONE_P256)):
        types = (0x11, 0x12) if signer is PHONE else (0x13, 0x14)
        later = phone(signer, at_ms=NOW_MS + 8000, challenge=challenge_of(mine))
        codes = {each: phone(signer, challenge=challenge_of(each)) for each in NUMBERS}
        plain, lake = phone(signer), phone(signer, challenge=challenge_of(mine, OTHER))
        rows: tuple[tuple[str, list[Any], list[Any]], ...] = (
            ("its own number", [[0, mine]], [[1, codes[mine], "answered"]]),
            ("in the last moment", [[0, mine]], [[59.9, codes[mine], "answered"]]),
            ("a minute later", [[0, mine]], [[60, codes[mine], "old"]]),
            ("long after that", [[0, mine]], [[60, plain, "none"], [180, codes[mine], "unasked"]]),
            ("a number that was replaced", [[0, mine], [5, other]],
             [[6, codes[mine], "old"], [7, codes[other], "answered"]]),
            ("somebody else's number", [[0, mine]], [[1, codes[third], "wrong"], [2, codes[mine], "answered"]]),
            ("the number, of another community", [[0, mine]], [[1, lake, "wrong"]]),
            ("the same picture again", [[0, mine]], [[1, codes[mine], "answered"], [1.2, codes[mine], "answered"]]),
            ("another code for a number that was answered", [[0, mine]],
             [[1, codes[mine], "answered"], [9, later, "old"]]),
            ("the ordinary code", [[0, mine]], [[1, plain, "missing"], [61, plain, "none"]]),
            ("nobody asked", [], [[1, codes[mine], "unasked"], [2, plain, "none"]]),
        )  # fmt: skip
        for why, asked, shown in rows:
            yield {"why": f"{name}: {why}", "credential": credential(signer, types), "asked": asked, "shown": shown}


def body() -> dict[str, Any]:
    cases = [*good_cards(), *bad_cards(), *rotating(), *keys_of_many_signers(), *ed25519_spellings(), *texts()]
    key = MADE.bytes("community key", 32)
    return {
        "community": text(HOME),
        "card_keys": [{"community": text(k.community), "id": k.id, "key": text(k.public)} for k in CARD_KEYS],
        "cases": [case | {"expect": expected(case)} for case in cases],
        "challenges": [{"number": each, "challenge": text(challenge_of(each))} for each in NUMBERS],
        "answers": [*answers()],
        "refs": [
            {"key": key.hex(), "handle": handle(n).hex(), "ref": passes.pass_ref(key, handle(n)).hex()}
            for n in range(3)
        ],
        "tags": [
            {"key": key.hex(), "tag": tag, "ref": passes.tag_ref(key, tag).hex()}
            for tag in ("04A2B3C4", "04:a2:b3:c4", "0012345678", "04-A2-B3-C4-D5-E6-80")
        ],
    }


if __name__ == "__main__":
    write("passes.json", body())
