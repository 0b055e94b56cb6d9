"""The wire: what is read, what is refused, and the one canonical form."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors import wire
from sensors.canonical import canonical, number_text
from sensors.wire_rules import MAX_WHOLE, WireError
from tests.vectors import make_wire

VECTORS = json.loads(make_wire.PATH.read_text("utf-8"))
COUNT = wire.Count(boot=5, seq=7, at=1_795_420_800_123, gate="east", direction="out", n=1)


def test_the_vectors_are_those_that_the_maker_writes() -> None:
    assert json.loads(json.dumps(make_wire.build())) == VECTORS


@pytest.mark.parametrize("case", VECTORS["good"], ids=lambda case: case["name"])
def test_good_reports_are_read_and_written_back_canonically(case: dict[str, Any]) -> None:
    parsed = wire.decode(case["text"])
    assert parsed.report.encode() == case["canonical"]
    assert parsed.report.digest().hex() == case["sha256"]
    assert parsed.report.event_ms == case["event_ms"]
    assert list(parsed.unknown) == case["unknown"]
    assert wire.decode(case["canonical"]).report == parsed.report


@pytest.mark.parametrize("case", VECTORS["hostile"], ids=lambda case: case["name"])
def test_hostile_reports_are_refused_naming_the_member(case: dict[str, Any]) -> None:
    with pytest.raises(WireError) as refusal:
        wire.decode(case["text"])
    assert refusal.value.field == case["field"]
    assert refusal.value.remedy


@pytest.mark.parametrize("case", VECTORS["numbers"], ids=lambda case: case["text"])
def test_numbers_are_written_as_ecmascript_does(case: dict[str, str]) -> None:
    assert number_text(float(case["text"])) == case["canonical"]


@pytest.mark.parametrize(
    ("value", "text"),
    [  # from RFC 8785, appendix B
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e21, "1e+21"),
        (333333333.3333332, "333333333.3333332"),
        (-0.0000033333333333333333, "-0.0000033333333333333333"),
    ],
)
def test_numbers_of_the_standard(value: float, text: str) -> None:
    assert number_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_reads_back_as_itself(value: float) -> None:
    assert float(number_text(value)) == value


def test_members_are_sorted_by_utf16_units() -> None:
    # U+FFFD sorts before U+1F600 by code point but after it by UTF-16 unit, as JavaScript sorts.
    assert canonical({"\ufffd": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufffd":1}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = sorted({name for kind in wire.KINDS.values() for name in wire._rules(kind)} | {"kind"})


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON), st.sampled_from([case["text"] for case in VECTORS["good"]]))
def test_no_change_of_members_raises_anything_but_a_wire_error(changes: dict[str, Any], text: str) -> None:
    try:
        parsed = wire.report_from(json.loads(text) | changes)
    except WireError:
        return
    assert wire.decode(parsed.report.encode()).report == parsed.report


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_no_bytes_raise_anything_but_a_wire_error(noise: bytes | str) -> None:
    for read in (wire.decode, wire.answer_from):
        with pytest.raises(WireError):
            read(noise)
    assert wire.refusal_from(502, noise).status == 502


def test_deep_nesting_is_refused_not_followed() -> None:
    with pytest.raises(WireError):
        wire.decode("[" * 200_000)


def test_building_a_report_checks_it_at_once() -> None:
    with pytest.raises(WireError, match="n: give a whole number from 0 to 10000"):
        wire.Count(boot=5, seq=7, at=1, gate="east", direction="out", n=10_001)


def test_the_time_of_the_event_takes_the_measured_skew_away() -> None:
    assert wire.Census(boot=1, seq=1, at=1_000_000, skew_ms=-420, zone="b1", n=3).event_ms == 1_000_420


def test_the_same_report_has_the_same_digest_however_it_was_spelled() -> None:
    spelled = '{ "seq":7.0e0, "boot":5 }'
    with pytest.raises(WireError):  # a whole number has no point: 7.0 is refused rather than guessed
        wire.decode(spelled)
    turned = json.dumps(dict(reversed(list(json.loads(COUNT.encode()).items()))), indent=2)
    assert wire.decode(turned).report.digest() == hashlib.sha256(COUNT.encode().encode()).digest()


def test_pack_takes_no_more_than_one_request_may_carry() -> None:
    many = [COUNT.encode()] * 1_500
    body, taken = wire.pack("b", many)
    assert taken == wire.MAX_REPORTS
    assert len(json.loads(body)["reports"]) == taken


def test_pack_stays_below_the_byte_limit_with_wide_characters() -> None:
    wide = wire.Correction(boot=5, seq=7, at=1, of=wire.Named(boot=5, seq=1), note="字" * 500).encode()
    body, taken = wire.pack("b", [wide] * 1_000)
    assert 0 < taken < 1_000
    assert len(body) <= wire.MAX_BYTES < len(body) + len(wide.encode()) + 1


def test_an_answer_reads_back() -> None:
    answer = wire.answer_from(json.dumps(VECTORS["answer"]))
    assert answer.through == (wire.Through(30514159265, 25),)
    assert [result.outcome for result in answer.results] == ["accepted", "rejected"]
    assert wire.answer_from(answer.encode()) == answer


@pytest.mark.parametrize(
    "text",
    [
        "{}",  # no members
        '{"batch":"b","server_ms":1,"through":[],"results":[{"boot":1}]}',  # half a result
        '{"batch":"b","server_ms":-1,"through":[],"results":[]}',  # no such time
        '{"batch":"b","server_ms":1,"through":[],"results":7}',  # not a list
    ],
)
def test_half_an_answer_is_no_answer(text: str) -> None:
    with pytest.raises(WireError):
        wire.answer_from(text)


def test_a_refusal_says_when_to_come_back() -> None:
    refusal = wire.refusal_from(429, '{"title":"Too many","detail":"Wait."}', "7")
    assert (refusal.title, refusal.remedy, refusal.retry_after_s) == ("Too many", "Wait.", 7.0)
    assert wire.refusal_from(503, b"\xff<html>", "soon").retry_after_s is None
    assert MAX_WHOLE == 2**53 - 1
