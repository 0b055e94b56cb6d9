"""One slice of the fold: derive again what the marks of some people touch, and write the difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from community_flow.domain.conflicts import (
    Conflict,
    Outing,
    Shown,
    over_quota,
    quota_subject,
    relay_subject,
    relayed_codes,
)
from community_flow.domain.fold import Folded, fold
from community_flow.domain.marks import Mark
from community_flow.domain.passages import (
    Attempt,
    Passage,
    Scan,
    id_triple,
    key_at,
    key_t_ms,
    person_of,
)
from community_flow.domain.places import OUTSIDE
from community_flow.domain.rulebook import Rulebook
from community_flow.domain.visits import UNKNOWN, State, Visit, decoded
from community_flow.ports import Transaction
from community_flow.ports.flow import FoldReports, FoldRows, Rows, StoredEnds, Stretch

FOREVER_MS = 2**62
LOOK_AHEAD_MS = 48 * 3600 * 1000
"""A change is first folded to two days past its end: nearly always the old state is met again there."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Group:
    """Persons and credentials that the journal ties together, to be derived again between two keys."""

    kin: frozenset[str]
    lo: bytes
    hi: bytes


@dataclass(slots=True)
class Span:
    """What is derived again of one subject: from ``first`` (a stored passage's key, or the change's) before ``end``."""

    first: bytes
    state: State
    folded: Folded
    end: bytes
    kept: list[Passage]
    """Passages kept so far between the two."""


@dataclass(slots=True)
class Work:
    """Reads of one slice."""

    ends: dict[str, StoredEnds] = field(default_factory=dict)
    scans: dict[str, list[Scan]] = field(default_factory=dict)
    passages: dict[str, list[Passage]] = field(default_factory=dict)


class PeopleFold:
    def __init__(self, reports: FoldReports, rows: FoldRows) -> None:
        self.reports, self.rows = reports, rows

    def refold(self, tx: Transaction, community: str, rules: Rulebook, marks: Sequence[Mark]) -> tuple[Rows, Rows]:
        """(removed, added) rows of what these marks name; nothing is written yet."""
        groups = grouped(marks, rules)
        spans = self._spans(tx, community, rules, groups)
        removed, added = Rows(), Rows()
        stored = self._stored(tx, community, spans)
        for subject, span in spans.items():
            _compare(subject, span, stored, removed, added)
        self._quotas(tx, community, rules, stored, spans, removed, added)
        self._relays(tx, community, marks, removed, added)
        return removed, added

    def _spans(self, tx: Transaction, community: str, rules: Rulebook, groups: Sequence[Group]) -> dict[str, Span]:
        spans: dict[str, Span] = {}
        ends: dict[str, StoredEnds] = {}
        short: list[Group] = []
        while groups:
            subjects = [(subject, group.lo) for group in groups for subject in sorted(group.kin)]
            ends.update(self.rows.ends(tx, community, subjects))
            groups = [self._level(tx, community, group, ends) for group in groups]
            groups, cut = self._fold(tx, community, rules, groups, ends, LOOK_AHEAD_MS, spans)
            short += cut
        if short:
            self._fold(tx, community, rules, short, ends, FOREVER_MS, spans)
        return spans

    def _level(self, tx: Transaction, community: str, group: Group, ends: dict[str, StoredEnds]) -> Group:
        """The group with one start for all. When the journal has just tied two persons, a report that one of them
        resumes before may lie behind the other's start: it would be ascribed anew and yet keep its old row."""
        while True:
            start = min(_first(group, ends[subject]) for subject in group.kin)
            group = Group(group.kin, min(group.lo, start), group.hi)
            late = [each for each in sorted(group.kin) if ends[each].resume and _first(group, ends[each]) > start]
            if not late:
                return group
            ends.update(self.rows.ends(tx, community, [(subject, start) for subject in late]))

    def _fold(
        self,
        tx: Transaction,
        community: str,
        rules: Rulebook,
        groups: Sequence[Group],
        ends: Mapping[str, StoredEnds],
        ahead_ms: int,
        spans: dict[str, Span],
    ) -> tuple[list[Group], list[Group]]:
        """Fold each group; gives back those that must resume earlier, and those that have not met their old state
        within ``ahead_ms``."""
        reach = {group: _reach(group, ends, ahead_ms) for group in groups}
        work = self._read(tx, community, rules, reach, ends)
        earlier, short = [], []
        for group, (_, to_ms) in reach.items():
            hollow = [ends[subject].resume for subject in group.kin if _is_hollow(subject, group, work)]
            if hollow:
                earlier.append(Group(group.kin, min(filter(None, hollow)), group.hi))
                continue
            done = {subject: _refolded(subject, group, to_ms, work, rules) for subject in sorted(group.kin)}
            if any(_cut_short(ends[subject], span, to_ms) for subject, span in done.items()):
                short.append(group)
            else:
                spans.update(done)
        return earlier, short

    def _read(
        self,
        tx: Transaction,
        community: str,
        rules: Rulebook,
        reach: Mapping[Group, tuple[int, int]],
        ends: Mapping[str, StoredEnds],
    ) -> Work:
        named = [Stretch(name, *span) for group, span in reach.items() for name in group.kin if name[:2] != "r:"]
        alone = [id_triple(name[2:]) for group in reach for name in group.kin if name[:2] == "r:"]
        work = Work(ends=dict(ends))
        by_subject: dict[str, list[Scan]] = defaultdict(list)
        for name, scan in self.reports.scans(tx, community, named):
            by_subject[rules.subject(name, scan.t_ms)].append(scan)
        for scan in self.reports.alone(tx, alone):
            by_subject["r:" + scan.id].append(scan)
        for scans in by_subject.values():
            scans.sort(key=_key)
        work.scans = by_subject
        known = [
            Stretch(name, *span) for group, span in reach.items() for name in group.kin if ends[name].last is not None
        ]
        passages: dict[str, list[Passage]] = defaultdict(list)
        for row in self.rows.passages(tx, community, known):
            passages[row.subject].append(row)
        work.passages = passages
        return work

    def _stored(self, tx: Transaction, community: str, spans: Mapping[str, Span]) -> dict[str, Rows]:
        """Rows kept so far of what was derived again."""
        found: dict[str, Rows] = {subject: Rows(passages=span.kept) for subject, span in spans.items()}
        stretches = [Stretch(subject, key_t_ms(span.first), _last_ms(span)) for subject, span in spans.items()]
        for attempt in self.rows.attempts(tx, community, stretches):
            found[attempt.subject].attempts.append(attempt)
        for conflict in self.rows.conflicts(tx, community, stretches):
            found[conflict.subject].conflicts.append(conflict)
        since = [Stretch(subject, _opened_ms(span), _last_ms(span)) for subject, span in spans.items()]
        for visit in self.rows.visits(tx, community, since):
            found[visit.subject].visits.append(visit)
        return found

    def _quotas(
        self,
        tx: Transaction,
        community: str,
        rules: Rulebook,
        stored: Mapping[str, Rows],
        spans: Mapping[str, Span],
        removed: Rows,
        added: Rows,
    ) -> None:
        """Outings per household and day, wherever a member's passages were derived again."""
        if not rules.quota_households:
            return
        days: set[tuple[str, int]] = set()
        for subject, span in spans.items():
            for household in rules.quota_households.get(subject, ()):
                for passage in [*span.folded.passages, *stored[subject].passages]:
                    days.add((household, rules.places(passage.at_ms).day(passage.at_ms)))
        for household, day in sorted(days):
            self._quota(tx, community, rules, household, day, removed, added)

    def _quota(
        self,
        tx: Transaction,
        community: str,
        rules: Rulebook,
        household: str,
        day: int,
        removed: Rows,
        added: Rows,
    ) -> None:
        from_ms, until_ms = rules.day_span_ms(day)
        members = [Stretch(person, from_ms, until_ms - 1) for person in sorted(rules.members[household])]
        gone = {passage.key for passage in removed.passages}
        passages = [row for row in self.rows.passages(tx, community, members) if row.key not in gone]
        people = rules.members[household]
        passages += [row for row in added.passages if row.subject in people and from_ms <= row.at_ms < until_ms]
        outings = [_outing(row) for row in passages if _goes_out(row, rules, household)]
        last_ms = max((outing.t_ms for outing in outings), default=from_ms)
        found = over_quota(household, outings, rules.quota(household, last_ms))
        known = self.rows.conflicts(tx, community, [Stretch(quota_subject(household), from_ms, until_ms - 1)])
        _differ(known, [] if found is None else [found], removed.conflicts, added.conflicts, _conflict_id)

    def _relays(self, tx: Transaction, community: str, marks: Sequence[Mark], removed: Rows, added: Rows) -> None:
        stretches = [
            Stretch(mark.subject, key_t_ms(mark.lo), min(key_t_ms(mark.hi), FOREVER_MS))
            for mark in marks
            if mark.subject.startswith("ps_")
        ]
        codes = self.reports.tokens(tx, stretches)
        if not codes:
            return
        shown: dict[str, list[Shown]] = defaultdict(list)
        for name, each in self.reports.shown(tx, codes):
            shown[name].append(each)
        found = [conflict for name, scans in shown.items() for conflict in relayed_codes(name, scans)]
        everywhere = [Stretch(relay_subject(*code), 0, FOREVER_MS) for code in sorted(codes)]
        known = self.rows.conflicts(tx, community, everywhere)
        _differ(known, found, removed.conflicts, added.conflicts, _conflict_id)


def grouped(marks: Iterable[Mark], rules: Rulebook) -> list[Group]:
    """One group per set of tied names, from the least to the greatest key that any of them was marked with."""
    spans: dict[frozenset[str], tuple[bytes, bytes]] = {}
    for mark in marks:
        kin = rules.kin(mark.subject)
        lo, hi = spans.get(kin, (mark.lo, mark.hi))
        spans[kin] = (min(lo, mark.lo), max(hi, mark.hi))
    return [Group(kin, lo, hi) for kin, (lo, hi) in spans.items()]


def _reach(group: Group, ends: Mapping[str, StoredEnds], ahead_ms: int) -> tuple[int, int]:
    """Event times to read: from where the first subject resumes, to ``ahead_ms`` past the change, or to the end when
    nothing is kept beyond."""
    from_ms = min(key_t_ms(_first(group, ends[subject])) for subject in group.kin)
    to_ms = min(key_t_ms(group.hi), FOREVER_MS) + ahead_ms
    last_ms = max((key_t_ms(last) for subject in group.kin if (last := ends[subject].last) is not None), default=0)
    return from_ms, FOREVER_MS if last_ms <= to_ms else min(to_ms, FOREVER_MS)


def _first(group: Group, ends: StoredEnds) -> bytes:
    """Where a subject's fold resumes: never before what retention left, whose state is all that is known of earlier."""
    first = group.lo if ends.resume is None else ends.resume
    return first if ends.anchor is None else max(first, ends.anchor)


def _is_hollow(subject: str, group: Group, work: Work) -> bool:
    """Whether the stored passage that the fold would resume before has lost its first report: it was corrected, or the
    journal gives it to somebody else now, and the mark of that waits for another slice. What then comes first may
    belong to the passage before."""
    ends = work.ends[subject]
    first = _first(group, ends)
    if first != ends.resume or first == ends.anchor:  # before an anchor there is nothing to resume from
        return False
    return next((scan.key for scan in work.scans.get(subject, ()) if scan.key >= first), None) != first


def _refolded(subject: str, group: Group, to_ms: int, work: Work, rules: Rulebook) -> Span:
    first = _first(group, work.ends[subject])
    kept = [row for row in work.passages.get(subject, ()) if row.key >= first]
    before = {row.key: row.before for row in kept}
    state = decoded(before[first]) if first in before else UNKNOWN
    scans = [scan for scan in work.scans.get(subject, ()) if scan.key >= first]
    folded = fold(scans, rules, subject, state, hi=group.hi, stored=before)
    end = folded.stopped_at or key_at(to_ms + 1)
    return Span(first, state, folded, end, [row for row in kept if row.key < end])


def _cut_short(ends: StoredEnds, span: Span, to_ms: int) -> bool:
    """Passages are kept beyond what was read, and the fold did not meet its old state before."""
    return span.folded.stopped_at is None and ends.last is not None and key_t_ms(ends.last) > to_ms


def _last_ms(span: Span) -> int:
    return min(key_t_ms(span.end), FOREVER_MS)


def _opened_ms(span: Span) -> int:
    """Visits that were open where the fold resumed began earlier, and may end otherwise now."""
    return min([key_t_ms(span.first), *(visit.entered_ms for visit in span.state.open)])


def _compare(subject: str, span: Span, stored: Mapping[str, Rows], removed: Rows, added: Rows) -> None:
    kept, new = stored[subject], span.folded

    def within(key: bytes) -> bool:
        return span.first <= key < span.end

    attempts = [row for row in kept.attempts if within(row.key)]
    conflicts = [row for row in kept.conflicts if within(row.key)]
    _differ(span.kept, new.passages, removed.passages, added.passages, _key)
    _differ(attempts, new.attempts, removed.attempts, added.attempts, _key)
    _differ(conflicts, new.conflicts, removed.conflicts, added.conflicts, _conflict_id)
    _differ(_touched(kept, span), new.visits, removed.visits, added.visits, _visit_id)


def _touched(kept: Rows, span: Span) -> list[Visit]:
    """Stored visits that this stretch accounts for: opened in it or open before it, and not still open at its end."""
    opened = {row.id for row in span.kept}
    before = {(visit.passage, visit.zone) for visit in span.state.open}
    standing = {(visit.passage, visit.zone) for visit in span.folded.still_open}
    return [
        visit
        for visit in kept.visits
        if (visit.passage in opened or (visit.passage, visit.zone) in before)
        and (visit.passage, visit.zone) not in standing
    ]


def _differ(
    kept: Iterable[Row], new: Iterable[Row], removed: list[Row], added: list[Row], name: Callable[[Row], object]
) -> None:
    """Add to ``removed`` and ``added`` what is not the same in both."""
    old = {name(row): row for row in kept}
    for row in new:
        before = old.pop(name(row), None)
        if before != row:
            added.append(row)
            if before is not None:
                removed.append(before)
    removed.extend(old.values())


def _key(row: Passage | Attempt | Scan) -> bytes:
    return row.key


def _conflict_id(row: Conflict) -> str:
    return row.id


def _visit_id(row: Visit) -> tuple[str, str]:
    return row.passage, row.zone


def _outing(row: Passage) -> Outing:
    return Outing(row.key, row.at_ms, row.id)


def _goes_out(row: Passage, rules: Rulebook, household: str) -> bool:
    """Out of the community, by somebody who belonged to the household then."""
    gate = rules.places(row.at_ms).gates.get(row.gate)
    person = person_of(row.subject)
    leaves = row.direction == "out" and gate is not None and gate.outer == OUTSIDE
    return leaves and person is not None and rules.household(person, row.at_ms) == household
