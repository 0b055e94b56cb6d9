"""CF1: what a code says, and that only a genuine one proves good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from community_flow.domain import base45, passes
from community_flow.domain.sealing import raw
from tests.vectors import make_passes
from tests.vectors.made import public

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "passes.json").read_text())
HOME = raw(VECTORS["community"])
KEYS = [passes.CardKey(raw(key["community"]), key["id"], raw(key["key"])) for key in VECTORS["card_keys"]]


def test_the_vector_file_is_what_its_script_writes() -> None:
    assert json.loads(json.dumps(make_passes.body())) == VECTORS


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: str(case["why"]))
def test_reading_and_proving_gives_what_the_vectors_say(case: dict[str, Any]) -> None:
    assert make_passes.expected(case) == case["expect"]


@pytest.mark.parametrize(
    ("why", "proof"),
    [
        ("card 0", "good"),
        ("a card by the key before", "good"),
        ("another community's card", "foreign"),
        ("another community's card with our key id", "foreign"),
        ("signed by a stranger", "forged"),
        ("ours, signed for another community", "forged"),
        ("a key id nobody has", "unknown_key"),
        ("Ed25519 challenged", "good"),
        ("Ed25519 another challenge", "forged"),
        ("P-256 challenged", "good"),
        ("P-256 high s", "forged"),
        ("P-256, only challenged allowed", "forged"),
    ],
)
def test_the_cases_that_matter_most(why: str, proof: str) -> None:
    # Said by hand, so that the generated file cannot simply agree with a broken reader.
    [case] = [case for case in VECTORS["cases"] if case["why"] == why]
    assert case["expect"]["proof"] == proof


def test_no_flipped_bit_proves_good() -> None:
    flipped = [case for case in VECTORS["cases"] if case["why"].startswith("bit ")]
    assert len(flipped) == 45
    assert all(case["expect"].get("proof") != "good" for case in flipped)


def test_a_code_is_120_characters_of_the_qr_alphanumeric_set() -> None:
    for case in VECTORS["cases"][:40]:
        assert len(case["text"]) == 120
        assert set(case["text"]) <= set(base45.ALPHABET)


def test_the_bytes_that_are_signed_are_those_of_the_design() -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    code = passes.card(key, b"C" * 16, key_id=3, handle=b"HANDLE!!", expiry_day=0x0102, serial=9)
    body = base45.decode(code[4:])
    assert body[:13] == b"\x21\x03HANDLE!!\x01\x02\x09"
    key.public_key().verify(body[13:], b"community-flow/pass/v1\0" + b"C" * 16 + body[:13])


def test_a_rotating_code_carries_seconds_since_2026() -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    code = passes.rotating(key, b"C" * 16, handle=b"HANDLE!!", at_ms=1_767_225_600_000 + 5_999)
    assert base45.decode(code[4:])[:13] == b"\x11HANDLE!!\x00\x00\x00\x05"


@pytest.mark.parametrize(
    ("ahead_ms", "good"), [(-45_001, False), (-45_000, True), (0, True), (15_000, True), (15_001, False)]
)
def test_the_clock_window_is_45_s_back_and_15_s_ahead(ahead_ms: int, good: bool) -> None:
    at_ms = (passes.EPOCH_S + 1_000) * 1000
    token = passes.Token(passes.Type.ED25519, b"h" * 8, b"s" * 64, token_s=1_000)
    assert passes.clock_good(token, at_ms - ahead_ms) is good


def test_base45_is_that_of_the_rfc() -> None:
    for clear, spelled in (
        (b"AB", "BB8"),
        (b"Hello!!", "%69 VD92EX0"),
        (b"base-45", "UJCLQE7W581"),
        (b"ietf!", "QED8WEX0"),
    ):
        assert base45.encode(clear) == spelled
        assert base45.decode(spelled) == clear


@pytest.mark.parametrize("spelled", ["A", "BB8A", "GGW", "::", "bb8", "BB8\n"])
def test_base45_refuses_every_other_spelling(spelled: str) -> None:
    with pytest.raises(base45.Base45Error):
        base45.decode(spelled)


@pytest.mark.parametrize("key", sorted(passes.SMALL_ORDER), ids=lambda key: key[:2].hex())
def test_a_key_that_fits_every_signature_is_nobodys(key: bytes) -> None:
    # OpenSSL takes the signature of each such vector (make_passes: taken_by_openssl); a phone may not register the key.
    for sign in (0, 0x80):
        assert not passes.key_good(key[:31] + bytes([key[31] | sign]))


def test_a_phone_registers_a_point_of_either_curve_and_nothing_else() -> None:
    assert passes.key_good(public(make_passes.PHONE))
    assert passes.key_good(public(make_passes.PHONE_P256))
    for bad in (b"", bytes(31), bytes(64), b"\x04" + b"\x01" * 64, b"\x02" + public(make_passes.PHONE_P256)[1:33]):
        assert not passes.key_good(bad)


def test_references_differ_between_passes_cards_and_communities() -> None:
    one, two = b"1" * 32, b"2" * 32
    refs = {
        passes.pass_ref(one, b"04A2B3C4"),
        passes.tag_ref(one, "04A2B3C4"),
        passes.pass_ref(two, b"04A2B3C4"),
        passes.tag_ref(two, "04A2B3C4"),
    }
    assert len(refs) == 4
    assert passes.tag_ref(one, "04:a2:b3:c4") == passes.tag_ref(one, "04A2B3C4")
    assert {len(ref) for ref in refs} == {16}


def test_secrets_of_two_communities_and_two_purposes_differ() -> None:
    made = {
        passes.community_secret(b"m" * 32, uid, what) for uid in (b"a" * 16, b"b" * 16) for what in ("card", "table")
    }
    assert len(made) == 4


def test_a_public_key_of_the_wrong_size_is_a_forgery_and_no_error() -> None:
    token = passes.decode(make_passes.card())
    assert isinstance(token, passes.Token)
    assert passes.prove_card(token, HOME, [passes.CardKey(HOME, 2, b"short")]) is passes.Proof.FORGED
    assert passes.prove_card(token, HOME, [passes.CardKey(HOME, 2, public(make_passes.CARD))]) is passes.Proof.GOOD
