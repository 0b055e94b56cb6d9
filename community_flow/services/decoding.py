"""A body of reports into frozen types, once. Fast when all is well; otherwise report by report, so that one bad report
never holds up the others.

The structs repeat the rules of `sensors/wire.py` for speed and may only be stricter: what they refuse is read again by
the wire itself, whose sentence is the one a person sees. tests/unit/test_decoding.py holds the two together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from community_flow.domain.errors import Invalid
from community_flow.domain.tray_rows import MOST_TEXT
from sensors.canonical import canonical
from sensors.wire import MAX_REPORTS, report_from, strict_json
from sensors.wire_rules import BOOT, MAX_BODIES, MAX_COUNTERS, MAX_FAULTS, MAX_TEXT, MAX_WHOLE, SEQ, WireError

Boot = Annotated[int, Meta(ge=1, le=MAX_WHOLE)]
Whole = Annotated[int, Meta(ge=0, le=MAX_WHOLE)]
Skew = Annotated[int, Meta(ge=-MAX_WHOLE, le=MAX_WHOLE)]
Bodies = Annotated[int, Meta(ge=1, le=MAX_BODIES)]
Tally = Annotated[int, Meta(ge=0, le=MAX_BODIES)]
Slug = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,39}\Z")]
Word = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_-]{0,39}\Z")]
Base64 = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,4000}\Z")]
_STORABLE = r"\A[^\x00]*\Z"
Text20 = Annotated[str, Meta(max_length=20, pattern=_STORABLE)]
Text40 = Annotated[str, Meta(max_length=40, pattern=_STORABLE)]
Text100 = Annotated[str, Meta(max_length=100, pattern=_STORABLE)]
Long = Annotated[str, Meta(max_length=MAX_TEXT, pattern=_STORABLE)]
Shown = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT, pattern=_STORABLE)]
Number = Annotated[str, Meta(min_length=1, max_length=64, pattern=_STORABLE)]
Way = Literal["in", "out"]


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of everything on the wire. Unknown members send a report the slow way, where they are counted."""


class Named(_Strict, frozen=True, kw_only=True):
    boot: Boot
    seq: Whole


class Span(_Strict, frozen=True, kw_only=True, rename={"from_": "from"}):
    boot: Boot
    from_: Whole
    to: Whole

    def __post_init__(self) -> None:
        _require(self.from_ <= self.to)


class Claimed(_Strict, frozen=True, kw_only=True):
    unit: Text100
    name: Text100 | None = None


class Sealed(_Strict, frozen=True, kw_only=True):
    kid: Number
    epk: Base64
    nonce: Base64
    ct: Base64


class Subject(_Strict, frozen=True, kw_only=True, rename={"pass_": "pass"}):
    pass_: Shown | None = None
    bed: Annotated[str, Meta(min_length=1, max_length=100, pattern=_STORABLE)] | None = None
    tag: Number | None = None

    def __post_init__(self) -> None:
        _require((self.pass_ is not None) + (self.bed is not None) + (self.tag is not None) == 1)


class _Report(_Strict, frozen=True, kw_only=True, tag_field="kind"):
    boot: Boot
    seq: Whole
    at: Whole
    skew_ms: Skew | None = None

    @property
    def t_ms(self) -> int:
        return self.at - (self.skew_ms or 0)


class Scan(_Report, frozen=True, kw_only=True, tag="scan", rename={"pass_": "pass"}):
    gate: Slug
    direction: Way
    method: Literal["rotating", "card", "tag", "manual"]
    decision: Literal["allow", "check", "stop"]
    reason: Word
    passed: bool
    pass_: Shown | None = None
    ref: Annotated[str, Meta(pattern=r"\As_[A-Za-z0-9_-]{8,64}\Z")] | None = None
    person: Annotated[str, Meta(pattern=r"\Ap_[a-z2-7]{12}\Z")] | None = None
    tag: Number | None = None
    claimed: Claimed | None = None
    sealed: Sealed | None = None
    challenge: Number | None = None
    forced: bool | None = None
    operator: Text40 | None = None
    party: Bodies | None = None
    note: Long | None = None

    def __post_init__(self) -> None:
        carriers = (self.pass_, self.ref, self.person, self.tag, self.claimed, self.sealed)
        _require(len(carriers) - carriers.count(None) == 1)


class Count(_Report, frozen=True, kw_only=True, tag="count"):
    gate: Slug
    direction: Way
    n: Tally
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    from_ms: Whole | None = None
    replaces: Span | None = None

    def __post_init__(self) -> None:
        _require(self.from_ms is None or self.from_ms <= self.at)


class Visitor(_Report, frozen=True, kw_only=True, tag="visitor", rename={"class_": "class"}):
    gate: Slug
    direction: Way
    class_: Word
    passed: bool
    unit: Text100 | None = None
    party: Bodies | None = None
    valid_min: Annotated[int, Meta(ge=0, le=525_600)] | None = None
    operator: Text40 | None = None
    note: Long | None = None


class Correction(_Report, frozen=True, kw_only=True, tag="correction"):
    of: Named
    note: Long | None = None


class Census(_Report, frozen=True, kw_only=True, tag="census"):
    zone: Slug
    n: Tally


class Reading(_Report, frozen=True, kw_only=True, tag="reading"):
    subject: Subject
    quantity: Word
    value: Annotated[float, Meta(ge=-1e12, le=1e12)]
    unit: Text20 | None = None
    error: Annotated[float, Meta(ge=0, le=1e12)] | None = None


class Gap(_Report, frozen=True, kw_only=True, tag="gap", rename={"from_": "from"}):
    from_: Whole
    to: Whole
    reason: Word
    from_ms: Whole | None = None
    counters: Annotated[dict[Word, Whole], Meta(max_length=MAX_COUNTERS)] | None = None

    def __post_init__(self) -> None:
        _require(self.from_ <= self.to and (self.from_ms is None or self.from_ms <= self.at))


class Status(_Report, frozen=True, kw_only=True, tag="status"):
    counters: Annotated[dict[Word, Whole], Meta(max_length=MAX_COUNTERS)] | None = None
    queue: Whole | None = None
    version: Text40 | None = None
    config: Whole | None = None
    faults: Annotated[list[Text100], Meta(max_length=MAX_FAULTS)] | None = None


Report: TypeAlias = Scan | Count | Visitor | Correction | Census | Reading | Gap | Status


class _Body(Struct, frozen=True):
    batch: Annotated[str, Meta(max_length=64, pattern=_STORABLE)]
    reports: list[Report]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A report that cannot be read but says which one it is."""

    boot: int
    seq: int
    reason: str
    detail: str
    text: str


class Decoded(Struct, frozen=True, gc=False):
    """A body, every report of it in the order it came."""

    batch: str
    reports: Sequence[Report | Malformed]
    unknown_fields: int = 0


class TooMany(Invalid):
    """More reports than a body may carry."""

    status, code = 413, "too-many-reports"


def decode(body: bytes) -> Decoded:
    """Read a body; raises Invalid when it is not a body of reports at all."""
    try:
        quick = _quick(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _slowly(body)
    _check_count(quick.reports)
    if any(each.skew_ms is not None and not 0 <= each.t_ms <= MAX_WHOLE for each in quick.reports):
        return _slowly(body)
    return Decoded(quick.batch, quick.reports)


_quick = msgspec.json.Decoder(_Body).decode


def decode_one(text: str) -> Report | Malformed:
    """One report, for the tray's retry."""
    return _one(strict_json(text), 0)[0]


def _slowly(body: bytes) -> Decoded:
    try:
        found = strict_json(body.decode())
    except (ValueError, RecursionError) as error:
        raise Invalid("The body is not well-formed JSON in UTF-8 (%(why)s).", why=str(error)[:200]) from error
    if not isinstance(found, dict) or not isinstance(found.get("reports"), list):
        raise Invalid('Send an object {"batch": …, "reports": […]}.', field="reports")
    batch = found.get("batch")
    if not isinstance(batch, str) or len(batch) > 64 or not batch.isprintable():
        raise Invalid("Give each body a batch id: a text of up to 64 characters.", field="batch")
    _check_count(found["reports"])
    read = [_one(each, place) for place, each in enumerate(found["reports"])]
    return Decoded(batch, [report for report, _ in read], sum(unknown for _, unknown in read))


def _check_count(reports: Sequence[object]) -> None:
    if len(reports) > MAX_REPORTS:
        raise TooMany("A body carries at most %(most)s reports: send the others in the next one.", most=MAX_REPORTS)


def _one(found: Any, place: int) -> tuple[Report | Malformed, int]:
    boot, seq = _identity(found, place)
    try:
        parsed = report_from(found)
        return msgspec.convert(parsed.report.members(), Report), len(parsed.unknown)
    except WireError as error:
        reason = "unknown_kind" if error.field == "kind" else "malformed"
        return Malformed(boot, seq, reason, str(error), _text(found)), 0
    except msgspec.ValidationError as error:
        return Malformed(boot, seq, "malformed", str(error), _text(found)), 0


def _identity(found: Any, place: int) -> tuple[int, int]:
    """A report without its triple cannot even be kept: nobody could say later which one it was."""
    try:
        return BOOT(found["boot"]), SEQ(found["seq"])
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(
            "Report %(place)s has no usable boot and seq: give whole numbers up to 2^53-1.",
            field=f"reports[{place}]",
            place=place,
        ) from error


def _text(found: Any) -> str:
    """JSON of anything that was parsed; ASCII, because half a surrogate pair has no UTF-8. Of what no report can be
    (a megabyte in one member) the beginning, with the whole's length and SHA-256: the tray must not fill the disk."""
    text = json.dumps(found, sort_keys=True)
    if len(text) <= MOST_TEXT:
        return text
    whole = hashlib.sha256(text.encode()).hexdigest()
    short = {
        "boot": found["boot"],
        "seq": found["seq"],
        "kind": str(found.get("kind"))[:40],
        "beginning": text[:MOST_TEXT],
        "length": len(text),
    }
    return json.dumps({**short, "sha256": whole}, sort_keys=True)


_sorted = msgspec.json.Encoder(order="sorted").encode


def canonical_bytes(report: Report) -> bytes:
    """RFC 8785 form. msgspec writes it, except for numbers that it spells differently from ECMAScript."""
    if type(report) is Count:
        share = report.confidence
        odd = share is not None and (share < 1e-4 or share == 1)
    else:
        odd = type(report) is Reading
    return canonical(msgspec.to_builtins(report)).encode() if odd else _sorted(report)


def digest(report: Report) -> bytes:
    return hashlib.sha256(canonical_bytes(report)).digest()


def _require(kept: bool) -> None:
    if not kept:
        raise ValueError("not as the wire has it")
