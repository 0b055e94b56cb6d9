"""The event-time fold: reports of one subject, in key order, become passages, attempts, visits and conflicts.

Nothing here reads a clock, a receipt time or an order of arrival, so any order, repetition, batching or delay of the
same reports gives the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from community_flow.domain.conflicts import Conflict, Moment, of_passage
from community_flow.domain.passages import (
    LEAST_KEY,
    Attempt,
    Passage,
    Scan,
    attempt,
    has_position,
    passage,
    person_of,
)
from community_flow.domain.rulebook import DEFAULT_WINDOW_MS, Rulebook
from community_flow.domain.visits import (
    UNKNOWN,
    Latest,
    OpenVisit,
    State,
    Visit,
    encoded,
    moved,
    seen_exit,
    unseen_exit,
    unseen_inside,
    witnessed,
)


@dataclass(slots=True)
class Folded:
    """What one stretch of one subject's reports gives."""

    passages: list[Passage] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    stopped_at: bytes | None = None
    """Key of the stored passage from which on nothing changes; None when the reports ran out."""
    still_open: tuple[OpenVisit, ...] = ()
    """Visits open where it stopped: their stored rows hold."""


class Folding:
    """The fold of one subject, report by report."""

    def __init__(self, rules: Rulebook, subject: str, state: State = UNKNOWN) -> None:
        self.rules, self.subject, self.person = rules, subject, person_of(subject)
        self.positioned = has_position(subject)
        self.state = state
        self.result = Folded()
        self._evidence: list[Scan] = []
        self._before = ""
        self._led = False  # the passage led somewhere: its gate was known
        self._unseen = False

    def joins(self, scan: Scan) -> bool:
        """Whether a scan that passed is further evidence of the latest passage. Never of one that began before this
        fold: a fold resumes before a passage, not inside one."""
        latest = self.state.latest
        return (
            latest is not None
            and bool(self._evidence)
            and scan.t_ms <= latest.joins_until_ms
            and latest.gate == scan.gate
            and latest.direction == scan.direction
        )

    def take(self, scan: Scan) -> None:
        """The next report in key order."""
        if not scan.passed:
            self.result.attempts.append(attempt(scan, self.subject))
        elif self.joins(scan):
            self._witness(scan)
        else:
            self._begin(scan)

    def _witness(self, scan: Scan) -> None:
        state, latest = self.state, self.state.latest
        assert latest is not None
        self._evidence.append(scan)
        places = self.rules.places(scan.t_ms)
        here = tuple(witnessed(visit, scan.t_ms, places) for visit in state.open) if self._led else state.open
        last = Latest(latest.passage, latest.gate, latest.direction, latest.first_ms, scan.t_ms, latest.joins_until_ms)
        self.state = State(state.zone, here, last)

    def _begin(self, scan: Scan) -> None:
        self._complete()
        self._before = encoded(self.state)
        self._evidence = [scan]
        places = self.rules.places(scan.t_ms)
        gate = places.gates.get(scan.gate)
        state = self.state
        self._led = gate is not None and self.positioned
        self._unseen = gate is not None and scan.direction == "out" and unseen_inside(state, gate.inner)
        if self.positioned:
            moment = Moment(self.subject, scan.key, scan.triple, scan.gate, scan.direction, scan.t_ms)
            self.result.conflicts += of_passage(state, moment, gate, places)
            if gate is not None:
                state, closed = moved(state, gate, scan.direction, t_ms=scan.t_ms, passage=scan.id, places=places)
                self._close(closed, scan, gate.inner if scan.direction == "out" else None)
        window_ms = gate.window_ms if gate is not None else DEFAULT_WINDOW_MS
        latest = Latest(scan.id, scan.gate, scan.direction, scan.t_ms, scan.t_ms, scan.t_ms + window_ms)
        self.state = State(state.zone, state.open, latest)

    def _close(self, visits: Iterable[OpenVisit], scan: Scan, seen_leaving: str | None) -> None:
        for visit in visits:
            close = seen_exit if visit.zone == seen_leaving else unseen_exit
            self.result.visits.append(close(visit, self.subject, self.person, scan.t_ms, scan.id))

    def _complete(self) -> None:
        if self._evidence:
            self.result.passages.append(passage(self._evidence, self.subject, self._before, unseen=self._unseen))
            self._evidence = []

    def stop(self, key: bytes) -> Folded:
        """The stored passage that begins at ``key`` follows from the same state: all after it stands."""
        self._complete()
        self.result.stopped_at, self.result.still_open = key, self.state.open
        return self.result

    def finish(self) -> Folded:
        """No more reports: what is open stays open, bounded by the rules of its zone."""
        self._complete()
        self.result.visits += [unseen_exit(visit, self.subject, self.person, None, None) for visit in self.state.open]
        return self.result


def fold(
    scans: Iterable[Scan],
    rules: Rulebook,
    subject: str,
    start: State = UNKNOWN,
    *,
    hi: bytes = LEAST_KEY,
    stored: Mapping[bytes, str] | None = None,
) -> Folded:
    """Fold live reports of ``subject``, sorted by key.

    With ``stored`` (first key → state before, of the passages kept so far) the fold ends at the first passage after
    ``hi`` that begins with the same report from an equal state.
    """
    folding = Folding(rules, subject, start)
    for scan in scans:
        if stored and scan.key > hi and scan.passed and not folding.joins(scan):
            before = stored.get(scan.key)
            if before is not None and before == encoded(folding.state):
                return folding.stop(scan.key)
        folding.take(scan)
    return folding.finish()
