"""The wire, version 1: what a device says and what it hears back. Standard library only.

A report is a frozen dataclass per kind; `encode()` gives its canonical text (RFC 8785: sorted members, shortest
numbers, absent instead of null), which is what an outbox keeps and sends again byte for byte. `decode()` is the way
back. A trailing underscore stands for a name that Python keeps for itself: ``pass_`` is "pass" on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_type_hints

from sensors.canonical import canonical, digest
from sensors.wire_answers import Answer as Answer
from sensors.wire_answers import Refusal as Refusal
from sensors.wire_answers import Result as Result
from sensors.wire_answers import Through as Through
from sensors.wire_answers import answer_from as answer_from
from sensors.wire_answers import refusal_from as refusal_from
from sensors.wire_json import parsed
from sensors.wire_json import strict_json as strict_json
from sensors.wire_rules import (
    BASE64,
    BODIES,
    BOOT,
    COUNT,
    COUNTER,
    ERROR,
    LONG,
    MAX_TEXT,
    MAX_WHOLE,
    MINUTES,
    SEQ,
    SHARE,
    SHORT,
    SKEW,
    SLUG,
    TIME,
    VALUE,
    WAY,
    WORD,
    Check,
    WireError,
    counters,
    faults,
    matching,
    one_of,
    text,
    truth,
)

PATH = "/v1/reports"
MAX_REPORTS = 1_000
MAX_BYTES = 1 << 20

TOPICS = "flow/{device}/{part}"
"""Over MQTT: the same body goes to the part `reports`, its answer comes on `acks`, `status` says online or offline."""

Direction = Literal["in", "out"]
Method = Literal["rotating", "card", "tag", "manual"]
Decision = Literal["allow", "check", "stop"]
Outcome = Literal["accepted", "duplicate", "rejected", "conflict"]


P = TypeVar("P", bound="_Part")


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Something whose annotations say how each member is checked."""

    def __post_init__(self) -> None:
        for name, rule in _rules(type(self)).items():
            value = getattr(self, rule.attribute)
            if value is None and not rule.required:
                continue
            try:
                object.__setattr__(self, rule.attribute, rule.check(value))
            except WireError as error:
                raise WireError(f"{name}.{error.field}", error.remedy) from None
            except ValueError as error:
                raise WireError(name, str(error)) from None

    def members(self) -> dict[str, Any]:
        """The known members by their wire names, absent ones left out: what is hashed and sent."""
        found = ((name, getattr(self, rule.attribute)) for name, rule in _rules(type(self)).items())
        return {name: _plain(value) for name, value in found if value is not None}


def nested(part: type[_Part]) -> Check:
    """A part of its own, given as such or as parsed JSON."""

    def check(value: object) -> _Part:
        if isinstance(value, part):
            return value
        if not isinstance(value, Mapping):
            raise ValueError(f"give an object with {', '.join(_rules(part))}")
        return _parse(part, value, [])

    return check


@dataclass(frozen=True, kw_only=True)
class Named(_Part):
    """One report of the same device, for a correction."""

    boot: Annotated[int, BOOT]
    seq: Annotated[int, SEQ]


@dataclass(frozen=True, kw_only=True)
class Span(_Part):
    """Reports of the same device that an aggregate stands for, both ends included."""

    boot: Annotated[int, BOOT]
    from_: Annotated[int, SEQ]
    to: Annotated[int, SEQ]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.to < self.from_:
            raise WireError("to", "give a number not below from")


@dataclass(frozen=True, kw_only=True)
class Claimed(_Part):
    """Who somebody without a pass says they are."""

    unit: Annotated[str, SHORT]
    name: Annotated[str | None, SHORT] = None


@dataclass(frozen=True, kw_only=True)
class Sealed(_Part):
    """{pass|ref|tag|claimed, challenge, operator, note} for the community's ingest key (`sensors/seal.py`)."""

    kid: Annotated[str, text(64, 1)]
    epk: Annotated[str, BASE64]
    nonce: Annotated[str, BASE64]
    ct: Annotated[str, BASE64]


@dataclass(frozen=True, kw_only=True)
class Subject(_Part):
    """Whom or what a reading is about: exactly one."""

    pass_: Annotated[str | None, text(MAX_TEXT, 1)] = None
    bed: Annotated[str | None, text(100, 1)] = None
    tag: Annotated[str | None, text(64, 1)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.members()) != 1:
            raise WireError("subject", "give exactly one of pass, bed, tag")


@dataclass(frozen=True, kw_only=True)
class Report(_Part):
    """What every report carries. (device, boot, seq) is its identity; the event was at ``at - skew_ms``."""

    KIND: ClassVar[str] = ""

    boot: Annotated[int, BOOT]
    seq: Annotated[int, SEQ]
    at: Annotated[int, TIME]
    skew_ms: Annotated[int | None, SKEW] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.event_ms <= MAX_WHOLE:
            raise WireError("skew_ms", f"at - skew_ms must lie from 0 to {MAX_WHOLE}")

    @property
    def event_ms(self) -> int:
        """Event time t, UTC milliseconds."""
        return self.at - (self.skew_ms or 0)

    def members(self) -> dict[str, Any]:
        return {"kind": self.KIND, **super().members()}

    def encode(self) -> str:
        """The canonical text: keep it, send it, send it again, never build it twice."""
        return canonical(self.members())

    def digest(self) -> bytes:
        return digest(self.members())


@dataclass(frozen=True, kw_only=True)
class Scan(Report):
    """Somebody showed a pass or said who they are: exactly one of pass_, ref, person, tag, claimed, sealed."""

    KIND = "scan"

    gate: Annotated[str, SLUG]
    direction: Annotated[Direction, WAY]
    method: Annotated[Method, one_of("rotating", "card", "tag", "manual")]
    decision: Annotated[Decision, one_of("allow", "check", "stop")]
    reason: Annotated[str, WORD]
    passed: Annotated[bool, truth]
    pass_: Annotated[str | None, text(MAX_TEXT, 1)] = None
    ref: Annotated[str | None, matching(r"s_[A-Za-z0-9_-]{8,64}", "s_2f9c41d07e")] = None
    person: Annotated[str | None, matching(r"p_[a-z2-7]{12}", "p_abcdefgh2345")] = None
    tag: Annotated[str | None, text(64, 1)] = None
    claimed: Annotated[Claimed | None, nested(Claimed)] = None
    sealed: Annotated[Sealed | None, nested(Sealed)] = None
    challenge: Annotated[str | None, text(64, 1)] = None
    forced: Annotated[bool | None, truth] = None
    operator: Annotated[str | None, text(40)] = None
    party: Annotated[int | None, BODIES] = None
    note: Annotated[str | None, LONG] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        carriers = (self.pass_, self.ref, self.person, self.tag, self.claimed, self.sealed)
        if sum(each is not None for each in carriers) != 1:
            raise WireError("pass", "give exactly one of pass, ref, person, tag, claimed, sealed")


@dataclass(frozen=True, kw_only=True)
class Count(Report):
    """Bodies that crossed, without knowing whose. With from_ms an aggregate of [from_ms, at]."""

    KIND = "count"

    gate: Annotated[str, SLUG]
    direction: Annotated[Direction, WAY]
    n: Annotated[int, COUNT]
    confidence: Annotated[float | None, SHARE] = None
    from_ms: Annotated[int | None, TIME] = None
    replaces: Annotated[Span | None, nested(Span)] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_ms is not None and self.from_ms > self.at:
            raise WireError("from_ms", "give a time not after at")


@dataclass(frozen=True, kw_only=True)
class Visitor(Report):
    """Somebody without a pass of their own: courier, guest, repair."""

    KIND = "visitor"

    gate: Annotated[str, SLUG]
    direction: Annotated[Direction, WAY]
    class_: Annotated[str, WORD]
    passed: Annotated[bool, truth]
    unit: Annotated[str | None, SHORT] = None
    party: Annotated[int | None, BODIES] = None
    valid_min: Annotated[int | None, MINUTES] = None
    operator: Annotated[str | None, text(40)] = None
    note: Annotated[str | None, LONG] = None


@dataclass(frozen=True, kw_only=True)
class Correction(Report):
    """That report of mine did not happen."""

    KIND = "correction"

    of: Annotated[Named, nested(Named)]
    note: Annotated[str | None, LONG] = None


@dataclass(frozen=True, kw_only=True)
class Census(Report):
    """Somebody looked: so many are in the zone."""

    KIND = "census"

    zone: Annotated[str, SLUG]
    n: Annotated[int, COUNT]


@dataclass(frozen=True, kw_only=True)
class Reading(Report):
    """A measured quantity, plus or minus its error. Kept and listed; nothing is derived from it."""

    KIND = "reading"

    subject: Annotated[Subject, nested(Subject)]
    quantity: Annotated[str, WORD]
    value: Annotated[float, VALUE]
    unit: Annotated[str | None, text(20)] = None
    error: Annotated[float | None, ERROR] = None


@dataclass(frozen=True, kw_only=True)
class Gap(Report):
    """Reports from..to of this boot are lost for good: between from_ms and at, with these sums, where that is known."""

    KIND = "gap"

    from_: Annotated[int, SEQ]
    to: Annotated[int, SEQ]
    reason: Annotated[str, WORD]
    from_ms: Annotated[int | None, TIME] = None
    counters: Annotated[Mapping[str, int] | None, counters] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.to < self.from_:
            raise WireError("to", "give a number not below from")
        if self.from_ms is not None and self.from_ms > self.at:
            raise WireError("from_ms", "give a time not after at")


@dataclass(frozen=True, kw_only=True)
class Status(Report):
    """How the device is."""

    KIND = "status"

    counters: Annotated[Mapping[str, int] | None, counters] = None
    queue: Annotated[int | None, COUNTER] = None
    version: Annotated[str | None, text(40)] = None
    config: Annotated[int | None, COUNTER] = None
    faults: Annotated[Sequence[str] | None, faults] = None


KINDS: dict[str, type[Report]] = {
    each.KIND: each for each in (Scan, Count, Visitor, Correction, Census, Reading, Gap, Status)
}


# --- members by annotation ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Rule:
    attribute: str
    check: Check
    required: bool


_RULES: dict[str, dict[str, _Rule]] = {}


def _rules(part: type[_Part]) -> dict[str, _Rule]:
    """Wire name -> rule, read once from the annotations."""
    if part.__name__ not in _RULES:
        hints = get_type_hints(part, include_extras=True)
        _RULES[part.__name__] = {
            each.name.rstrip("_"): _Rule(each.name, hints[each.name].__metadata__[0], _is_required(each))
            for each in fields(part)
        }
    return _RULES[part.__name__]


def _is_required(each: Any) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _plain(value: Any) -> Any:
    if isinstance(value, _Part):
        return value.members()
    return list(value) if isinstance(value, tuple) else value


def _parse(part: type[P], found: Mapping[str, Any], unknown: list[str], skip: frozenset[str] = frozenset()) -> P:
    rules = _rules(part)
    unknown.extend(name for name in found if name not in rules and name not in skip)
    given = {rules[name].attribute: value for name, value in found.items() if name in rules and value is not None}
    for name, rule in rules.items():
        if rule.required and rule.attribute not in given:
            raise WireError(name, "is missing")
    return part(**given)


# --- bodies ---------------------------------------------------------------------------------------------------------


def body(batch: str, reports: Iterable[str]) -> bytes:
    """One request's body from encoded reports. Use `pack` to stay within the limits."""
    return f'{{"batch":{canonical(batch)},"reports":[{",".join(reports)}]}}'.encode()


def pack(batch: str, reports: Sequence[str], most: int = MAX_REPORTS) -> tuple[bytes, int]:
    """A body of as many of the first reports as one request may carry, and how many that is."""
    room, count = MAX_BYTES - len(body(batch, ())), 0
    for each in reports[: min(most, MAX_REPORTS)]:
        room -= len(each.encode()) + 1
        if room < 0:
            break
        count += 1
    return body(batch, reports[:count]), count


@dataclass(frozen=True)
class Parsed:
    """One report as the wire has it, and the members that this version does not know."""

    report: Report
    unknown: tuple[str, ...] = ()


def decode(encoded: str | bytes) -> Parsed:
    """The way back from `encode`; raises WireError."""
    return report_from(parsed(encoded))


def report_from(found: object) -> Parsed:
    """A report from parsed JSON; raises WireError."""
    if not isinstance(found, dict):
        raise WireError("report", "give an object")
    kind = found.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise WireError("kind", f"give one of {', '.join(KINDS)}")
    unknown: list[str] = []
    report = _parse(KINDS[kind], found, unknown, frozenset({"kind"}))
    return Parsed(report, tuple(sorted(unknown)))
