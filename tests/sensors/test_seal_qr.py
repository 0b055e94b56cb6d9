"""What a checkpoint reads, when it counts as shown anew, and how it is sealed."""

from __future__ import annotations

import json
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import qrcode
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as some

from community_flow.domain import passes
from community_flow.domain.sealing import open_sealed, public_bytes
from sensors.qr import Shown, method_of, reader
from sensors.seal import IngestKey, SealTrouble, seal, seal_with
from tests.mutants import mutants

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "seal.json").read_text())
KEY = ec.generate_private_key(ec.SECP256R1())


def number(text: str) -> int:
    import base64

    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: ",".join(case["content"]))
def test_sealing_is_as_the_vectors_say(case: dict[str, dict[str, str]]) -> None:
    import base64

    recipient = VECTORS["recipient"]
    key = IngestKey.parse(recipient["kid"], recipient["public"])
    ephemeral = ec.derive_private_key(number(str(case["ephemeral"])), ec.SECP256R1())
    nonce = base64.urlsafe_b64decode(case["sealed"]["nonce"] + "==")
    assert seal_with(case["content"], key, ephemeral, nonce).members() == case["sealed"]


@given(some.dictionaries(some.sampled_from(["pass", "tag", "note", "operator"]), some.text(max_size=200), max_size=4))
def test_what_is_sealed_on_the_edge_opens_on_the_server(content: dict[str, str]) -> None:
    sealed = seal(content, IngestKey("3", public_bytes(KEY)))
    assert open_sealed(sealed.members(), KEY) == content


def test_the_length_of_a_seal_does_not_tell_a_tag_from_a_pass() -> None:
    key = IngestKey("3", public_bytes(KEY))
    assert len(seal({"tag": "04A2"}, key).ct) == len(seal({"pass": "CF1:" + "0" * 116}, key).ct)


@pytest.mark.parametrize("text", ["", "AAAA", "BO27", "é", "A" * 87])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SealTrouble, match="copy it again"):
        seal({}, IngestKey.parse("1", text))


def a_pass(kind: passes.Type) -> str:
    parts = {"key_id": 1, "expiry_day": 900, "serial": 1} if kind is passes.Type.CARD else {"token_s": 12345}
    return passes.encode(passes.Token(kind, b"12345678", bytes(64), **parts))


@pytest.mark.parametrize("kind", list(passes.Type))
def test_the_method_follows_from_the_type_of_the_pass(kind: passes.Type) -> None:
    assert method_of(a_pass(kind)) == ("card" if kind is passes.Type.CARD else "rotating")


@pytest.mark.parametrize(
    "text",
    [
        "",  # nothing
        "https://flow.example/x",  # another QR code
        "CF1:" + "0" * 116,  # a type that does not exist
        "CF1:" + "a" * 116,  # letters outside base45
        a_pass(passes.Type.CARD)[:-1],  # cut
        a_pass(passes.Type.CARD) + " ",  # too long
        "CF2:" + "0" * 116,  # another version
    ],
)
def test_what_is_no_pass_is_not_read(text: str) -> None:
    assert method_of(text) is None


def test_the_edge_reads_of_every_vector_what_the_server_reads() -> None:
    cases = json.loads((Path(__file__).parents[1] / "vectors" / "passes.json").read_text())["cases"]
    for case in cases:
        kind = case["expect"].get("type")
        assert method_of(case["text"]) == (None if kind is None else "card" if kind == 0x21 else "rotating"), case[
            "why"
        ]


def test_the_edge_reads_of_changed_passes_what_the_server_reads() -> None:
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    for code in mutants(seed, 2_000):
        token = passes.decode(code)
        kind = None if isinstance(token, passes.Fault) else "card" if token.is_card else "rotating"
        assert method_of(code) == kind, code


def test_a_code_held_before_the_camera_is_shown_once() -> None:
    shown = Shown(cooldown_s=5)
    found = [shown.fresh(["A"], t / 10) for t in range(200)]
    assert [each for each in found if each] == [["A"]]


def test_a_code_that_left_counts_again_only_after_the_cool_down() -> None:
    shown = Shown(cooldown_s=5)
    assert shown.fresh(["A"], 0) == ["A"]
    assert shown.fresh([], 3) == []
    assert shown.fresh(["A"], 4) == []
    assert shown.fresh(["A", "B"], 8) == ["B"]
    assert shown.fresh(["A"], 13.5) == ["A"]


def qr_picture(text: str, scale: int = 5) -> np.ndarray:
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=4)
    code.add_data(text)
    code.make()
    cells = np.array(code.get_matrix(), np.uint8)
    grey = np.kron(1 - cells, np.ones((scale, scale), np.uint8)) * 255
    picture = np.full((480, 640), 120, np.uint8)
    picture[20 : 20 + len(grey), 30 : 30 + len(grey)] = grey
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)


def test_a_pass_is_read_from_a_picture_letter_by_letter() -> None:
    text = a_pass(passes.Type.CARD)
    assert reader()(qr_picture(text)) == [text]
    assert reader()(np.zeros((480, 640, 3), np.uint8)) == []
