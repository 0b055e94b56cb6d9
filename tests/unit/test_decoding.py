"""Bodies into frozen types: as fast as the structs allow, never other than the wire says."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from community_flow.domain.errors import FlowError, Invalid
from community_flow.services import decoding
from community_flow.services.decoding import Decoded, Malformed, decode, digest
from sensors import wire
from sensors.wire_rules import WireError
from tests.unit.test_wire import JSON, MEMBERS, VECTORS

GOOD = [case["text"] for case in VECTORS["good"]]


def read(body: bytes) -> Decoded | FlowError:
    """What `decode` makes of a body, or how it refuses."""
    try:
        return decode(body)
    except FlowError as refusal:
        return refusal


def body_of(*texts: str) -> bytes:
    return wire.body("b", texts)


@pytest.mark.parametrize("case", VECTORS["good"], ids=lambda case: case["name"])
def test_good_reports_have_the_canonical_form_of_the_wire(case: dict[str, Any]) -> None:
    (report,) = decode(body_of(case["text"])).reports
    assert not isinstance(report, Malformed)
    assert decoding.canonical_bytes(report).decode() == case["canonical"]
    assert digest(report).hex() == case["sha256"]
    assert report.t_ms == case["event_ms"]


@pytest.mark.parametrize("case", VECTORS["hostile"], ids=lambda case: case["name"])
def test_hostile_reports_are_put_aside_or_the_body_is_refused(case: dict[str, Any]) -> None:
    fine = wire.Census(boot=1, seq=1, at=1, zone="b1", n=1).encode()
    found = read(body_of(fine, case["text"]))
    if isinstance(found, FlowError):
        assert case["field"] in ("json", "report", "boot", "seq", "kind"), found
        return
    assert isinstance(found.reports[1], Malformed)
    assert not isinstance(found.reports[0], Malformed)  # the good one beside it is not held up
    assert json.loads(found.reports[1].text)


def test_the_structs_have_the_members_of_the_wire() -> None:
    for name, kind in wire.KINDS.items():
        struct = getattr(decoding, name.capitalize())
        assert set(struct.__struct_encode_fields__) == set(wire._rules(kind)), name


def the_wire_reads(text: str) -> wire.Parsed | None:
    try:
        return wire.decode(text)
    except WireError:
        return None


@given(st.sampled_from(GOOD), st.dictionaries(st.sampled_from([*MEMBERS, "lens"]), JSON, max_size=3))
@example(GOOD[0], {"note": None})
@example(GOOD[0], {"party": True})
def test_whatever_is_changed_both_read_the_same_or_neither(good: str, changes: dict[str, Any]) -> None:
    text = json.dumps(json.loads(good) | changes)
    parsed = the_wire_reads(text)
    try:
        (found,) = decode(body_of(text)).reports
    except Invalid:
        assert parsed is None
        return
    assert isinstance(found, Malformed) == (parsed is None), (text, found)
    if parsed is not None and not isinstance(found, Malformed):
        assert decoding.canonical_bytes(found).decode() == parsed.report.encode()


@given(st.one_of(st.integers(-5, 2**54), st.floats(), st.booleans(), st.none()), st.sampled_from(MEMBERS))
def test_numbers_at_their_limits_are_read_alike(value: Any, member: str) -> None:
    for good in GOOD:
        text = json.dumps(json.loads(good) | {member: value})
        quick, parsed = quickly(text), the_wire_reads(text)
        assert quick is None or parsed is not None, text


def quickly(text: str) -> Decoded | None:
    """What the structs alone would read."""
    try:
        found = decoding._quick(body_of(text))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    (report,) = found.reports
    return None if not 0 <= report.t_ms < 2**53 else Decoded("b", found.reports)


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | JSON.map(lambda each: json.dumps(each).encode())
)
def test_no_body_raises_anything_but_a_refusal(noise: bytes) -> None:
    found = read(noise)
    assert isinstance(found, Decoded) or found.remedy


@given(st.data())
def test_a_good_body_with_a_flipped_byte_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(body_of(*GOOD[:4]))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    found = read(bytes(body))
    assert isinstance(found, Decoded) or found.remedy


def test_unknown_members_are_counted() -> None:
    report = json.loads(GOOD[1])
    found = decode(body_of(json.dumps(report | {"lens": 1, "mood": 2}), json.dumps(report | {"seq": 99, "lens": 3})))
    assert found.unknown_fields == 3


def test_numbers_that_msgspec_spells_otherwise_keep_the_canonical_form() -> None:
    for share in (0.0, 1.0, 1e-7, 0.00005, 0.5, 0.30000000000000004):
        count = wire.Count(boot=1, seq=1, at=1, gate="east", direction="in", n=1, confidence=share)
        (found,) = decode(body_of(count.encode())).reports
        assert not isinstance(found, Malformed)
        assert decoding.canonical_bytes(found).decode() == count.encode()


def test_1001_reports_are_refused_whole() -> None:
    texts = [wire.Census(boot=1, seq=seq, at=1, zone="b1", n=1).encode() for seq in range(1, 1_002)]
    with pytest.raises(decoding.TooMany, match="1000"):
        decode(body_of(*texts))
    with pytest.raises(decoding.TooMany):
        decode(body_of(*texts[:-1], "{}"))  # the slow way too
    assert len(decode(body_of(*texts[:1_000])).reports) == 1_000


def test_one_report_can_be_read_again() -> None:
    assert decoding.decode_one(GOOD[0]) == decode(body_of(GOOD[0])).reports[0]
