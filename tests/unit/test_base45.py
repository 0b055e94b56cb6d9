"""Base45 against an encoder and decoder as RFC 9285 words them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from community_flow.domain import base45
from community_flow.domain.base45 import ALPHABET, Base45Error


def worded(text: str) -> bytes | None:
    """The bytes of ``text`` letter by letter, None where the RFC refuses."""
    found = bytearray()
    for at in range(0, len(text), 3):
        group = text[at : at + 3]
        if len(group) == 1 or any(letter not in ALPHABET for letter in group):
            return None
        value = sum(ALPHABET.index(letter) * 45**place for place, letter in enumerate(group))
        if value >= 256 ** (len(group) - 1):
            return None
        found += value.to_bytes(len(group) - 1, "big")
    return bytes(found)


@given(st.binary(max_size=90))
def test_what_was_encoded_comes_back(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


@given(st.text(st.sampled_from(ALPHABET + "a!é?\u4e2d\x00ÿ"), max_size=12))
def test_every_text_is_read_as_the_rfc_words_it(text: str) -> None:
    try:
        read: bytes | None = base45.decode(text)
    except Base45Error:
        read = None
    assert read == worded(text)
