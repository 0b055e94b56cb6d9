"""What a gate seals, only the server opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from community_flow.domain import sealing

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "seal.json").read_text())


def key_of(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(sealing.raw(text), "big"), ec.SECP256R1())


RECIPIENT = key_of(VECTORS["recipient"]["private"])


@pytest.mark.parametrize("case", VECTORS["cases"])
def test_a_seal_is_what_the_vectors_say_and_opens_to_its_content(case: dict[str, Any]) -> None:
    made = sealing.seal(
        case["content"],
        VECTORS["recipient"]["kid"],
        sealing.raw(VECTORS["recipient"]["public"]),
        key_of(case["ephemeral"]),
        sealing.raw(case["sealed"]["nonce"]),
    )
    assert made == case["sealed"]
    assert sealing.open_sealed(made, RECIPIENT) == case["content"]


@pytest.mark.parametrize("case", VECTORS["hostile"], ids=lambda case: str(case["why"]))
def test_a_seal_that_was_tampered_with_does_not_open(case: dict[str, Any]) -> None:
    with pytest.raises(sealing.SealError):
        sealing.open_sealed(case["sealed"], RECIPIENT)


def test_a_seal_does_not_open_with_another_key() -> None:
    with pytest.raises(sealing.SealError):
        sealing.open_sealed(VECTORS["cases"][0]["sealed"], ec.generate_private_key(ec.SECP256R1()))


def test_seals_of_a_pass_and_of_a_card_number_have_the_same_length() -> None:
    lengths = {len(case["sealed"]["ct"]) for case in VECTORS["cases"][:3]}
    assert len(lengths) == 1
