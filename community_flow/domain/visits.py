"""Where a subject is, as its passages say, and the visits that follow from it."""

from __future__ import annotations

from bisect import bisect_right

import msgspec

from community_flow.domain.passages import id_triple, report_key
from community_flow.domain.places import OUTSIDE
from community_flow.domain.rulebook import GateRule, Places

NEVER = 2**62
"""until_ms of a visit that nothing bounds."""

LIKELY_MS = 4 * 3600 * 1000
"""An exit that is known to within four hours makes a visit likely, otherwise possible."""

CLASS_ENDS_MS = tuple(int(hours * 3600 * 1000) for hours in (0.25, 0.5, 1, 2, 4, 8, 24))
"""Upper bounds (exclusive) of duration classes 0..6; class 7 is everything longer."""


class OpenVisit(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A zone the subject is in. ``bound_ms`` is the latest exit that the zone's own rules allow."""

    zone: str
    passage: str
    entered_ms: int
    evidence_ms: int
    bound_ms: int | None


class Latest(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The subject's latest passage. Scans up to ``joins_until_ms`` may still be evidence of it."""

    passage: str
    gate: str
    direction: str
    first_ms: int
    last_ms: int
    joins_until_ms: int


class State(msgspec.Struct, frozen=True, array_like=True):
    """All that passages after a moment depend on: ``zone`` is None while the position is unknown."""

    zone: str | None = None
    open: tuple[OpenVisit, ...] = ()
    latest: Latest | None = None


UNKNOWN = State()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(State).decode


def encoded(state: State) -> str:
    """A state as text; equal states have equal texts."""
    return _encode(state).decode()


def decoded(text: str) -> State:
    return _decode(text)


class Visit(msgspec.Struct, frozen=True, gc=False):
    """A subject in a zone, from an entry that was seen to an exit that was seen or is bounded."""

    passage: str
    zone: str
    subject: str
    person: str | None
    entered_ms: int
    left_ms: int | None
    left_earliest_ms: int
    left_latest_ms: int | None
    closed_by: str | None

    @property
    def id(self) -> str:
        return f"{self.passage}/{self.zone}"

    @property
    def key(self) -> bytes:
        """The key of the passage that opened the visit."""
        return report_key(self.entered_ms, *id_triple(self.passage))

    @property
    def until_ms(self) -> int:
        return NEVER if self.left_latest_ms is None else self.left_latest_ms

    @property
    def certainty(self) -> str:
        if self.left_ms is not None:
            return "seen"
        if self.left_latest_ms is None or self.left_latest_ms - self.left_earliest_ms > LIKELY_MS:
            return "possible"
        return "likely"

    @property
    def duration_class(self) -> int:
        return duration_class(self.until_ms - self.entered_ms)


def duration_class(duration_ms: int) -> int:
    """0..7: shorter than 15 min, 30 min, 1, 2, 4, 8, 24 h, or longer."""
    return bisect_right(CLASS_ENDS_MS, duration_ms)


def seen_exit(visit: OpenVisit, subject: str, person: str | None, t_ms: int, by: str) -> Visit:
    return Visit(visit.passage, visit.zone, subject, person, visit.entered_ms, t_ms, t_ms, t_ms, by)


def unseen_exit(visit: OpenVisit, subject: str, person: str | None, absent_ms: int | None, by: str | None) -> Visit:
    """The exit was not seen: after the last evidence inside, before what first implies absence."""
    ends = [end for end in (absent_ms, visit.bound_ms) if end is not None]
    latest = max(visit.evidence_ms, min(ends)) if ends else None
    return Visit(visit.passage, visit.zone, subject, person, visit.entered_ms, None, visit.evidence_ms, latest, by)


def moved(
    state: State, gate: GateRule, direction: str, *, t_ms: int, passage: str, places: Places
) -> tuple[State, list[OpenVisit]]:
    """The state after a passage (without its ``latest``), and the visits it closed, each with its last evidence."""
    start, goal = (gate.outer_chain, gate.inner_chain) if direction == "in" else (gate.inner_chain, gate.outer_chain)
    entered_again = gate.inner if direction == "in" else None
    open_after, closed = [], []
    for visit in state.open:
        if visit.zone in goal and visit.zone != entered_again:
            open_after.append(witnessed(visit, t_ms, places))
        elif visit.zone in start:
            closed.append(witnessed(visit, t_ms, places))
        else:
            closed.append(visit)
    going_on = {visit.zone for visit in open_after}
    open_after += [
        OpenVisit(zone, passage, t_ms, t_ms, places.bound_ms(zone, t_ms)) for zone in goal if zone not in going_on
    ]
    open_after.sort(key=_zone)
    target = gate.inner if direction == "in" else gate.outer
    return State(target or OUTSIDE, tuple(open_after), None), closed


def _zone(visit: OpenVisit) -> str:
    return visit.zone


def witnessed(visit: OpenVisit, t_ms: int, places: Places) -> OpenVisit:
    """The visit with evidence at ``t_ms`` that the subject is still, or was until then, inside."""
    return OpenVisit(visit.zone, visit.passage, visit.entered_ms, t_ms, places.bound_ms(visit.zone, t_ms))


def unseen_inside(state: State, zone: str) -> bool:
    """The subject was known to be elsewhere, so an exit from ``zone`` says that an entry was not seen."""
    return state.zone is not None and all(visit.zone != zone for visit in state.open)
