"""Short codes under cards: typed on a number pad, so a slip of the finger must be noticed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from community_flow.domain import short_codes


@given(st.binary(min_size=8, max_size=8))
def test_a_made_code_reads_back_however_it_is_spaced(data: bytes) -> None:
    code = short_codes.from_random(data)
    assert short_codes.read(code) == code
    assert short_codes.read(short_codes.shown(code)) == code


@given(st.binary(min_size=8, max_size=8), st.integers(0, 7), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(data: bytes, place: int, step: int) -> None:
    code = short_codes.from_random(data)
    wrong = code[:place] + str((int(code[place]) + step) % 10) + code[place + 1 :]
    assert short_codes.read(wrong) is None


def test_what_is_no_code() -> None:
    for text in ("", "1234567", "123456789", "1234567x", "①2345678", "１２３４５６７８"):
        assert short_codes.read(text) is None, text
