"""The gate ledger's part of a fold: counted bodies against passages, wherever either changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from community_flow.domain.ledger import (
    NEAR_MS,
    REACH_MS,
    STEP_MS,
    Count,
    Party,
    Unmatched,
    is_kept,
    reconcile,
    state_of,
    state_text,
    step_after,
    surplus,
    turned_back,
)
from community_flow.domain.passages import triple_id
from community_flow.domain.rulebook import Rulebook
from community_flow.domain.spans import Span, joined
from community_flow.ports import Transaction
from community_flow.ports.flow import (
    Changed,
    CountRow,
    FoldReports,
    FoldRows,
    LedgerRow,
    Replacement,
    Side,
    SideSpan,
    StateRow,
)  # fmt: skip
from community_flow.services.fold_replacements import Replacements
from community_flow.services.ledger_access import LedgerAccess, near

Crossing = TypeVar("Crossing", Count, Party)

JOIN_MS = 60_000
"""Changes closer together than this are settled in one go."""

FOREVER_MS = 2**62


@dataclass(slots=True)
class Touched:
    """Where a fold must look at the ledger again."""

    spans: dict[Side, list[Span]] = field(default_factory=lambda: defaultdict(list))

    def add(self, gate: str, direction: str, span: Span) -> None:
        self.spans[gate, direction].append(span)

    def merged(self) -> dict[Side, list[Span]]:
        return {side: joined(spans, JOIN_MS) for side, spans in sorted(self.spans.items())}


class LedgerFold:
    def __init__(self, reports: FoldReports, rows: FoldRows) -> None:
        self.reports, self.rows = reports, rows

    def refold(self, tx: Transaction, rules: Rulebook, touched: Touched, changed: Changed) -> None:
        """Settle what is touched, after the passages were written; the difference is put into ``changed``."""
        access = LedgerAccess(self.reports, self.rows, tx, changed)
        sides = self._counting(tx, rules, changed.community, touched.merged())
        stands_for = self._replacements(tx, changed.community, sides)
        changes = self._widened(tx, changed.community, {side: joined(spans, JOIN_MS) for side, spans in sides.items()})
        access.read_ahead(changes)
        for side, spans in changes.items():
            view = _View(access, rules, side, stands_for[side])
            for span in spans:
                view.replace(view.without_partners(span) or view.settled(span))
        access.write()

    def _counting(
        self, tx: Transaction, rules: Rulebook, community: str, sides: dict[Side, list[Span]]
    ) -> dict[Side, list[Span]]:
        """Without those where nothing can change: nobody ever watched the gate, nothing was counted near the change,
        and nothing was found there before."""
        unwatched = [
            SideSpan(*side, *near(span))
            for side, spans in sides.items()
            if side[0] not in rules.watched_gates
            for span in spans
        ]
        busy = self.reports.counted(tx, community, unwatched)
        busy |= {(row.gate, row.direction) for row in self.rows.ledger(tx, community, unwatched)}
        return {side: spans for side, spans in sides.items() if side[0] in rules.watched_gates or side in busy}

    def _widened(self, tx: Transaction, community: str, sides: dict[Side, list[Span]]) -> dict[Side, list[Span]]:
        """The spans with the windows of the aggregates in them, whether they stand now or only did before."""
        everywhere = [SideSpan(*side, *span) for side, spans in sides.items() for span in spans]
        windows: dict[Side, list[Span]] = defaultdict(list)
        for side, row in self.reports.aggregates(tx, community, everywhere):
            if row.from_ms is not None:
                windows[side].append((row.from_ms, row.t_ms))
        return {side: joined((_with(span, windows[side]) for span in spans), JOIN_MS) for side, spans in sides.items()}

    def _replacements(self, tx: Transaction, community: str, sides: dict[Side, list[Span]]) -> dict[Side, Replacements]:
        """Note what aggregates in these spans stand for; the spans grow by the counts that are newly replaced."""
        known: dict[Side, list[Replacement]] = {side: [] for side in sides}
        for row in self.rows.replacements(tx, community, list(sides)):
            known[row.gate, row.direction].append(row)
        seen = {row.by for rows in known.values() for row in rows}
        everywhere = [SideSpan(*side, *span) for side, spans in sides.items() for span in spans]
        for row in self.reports.replacing(tx, community, everywhere):
            if row.by in seen:
                continue
            seen.add(row.by)
            known[row.gate, row.direction].append(row)
            self.rows.add_replacements(tx, community, [row])
            replaced = self.rows.replaced_span(tx, community, row)
            if replaced is not None:
                sides[row.gate, row.direction].append(replaced)
        return {side: Replacements(rows) for side, rows in known.items()}


@dataclass(frozen=True, slots=True)
class _Work:
    """What a change makes of a stretch."""

    span: Span
    """Rows that may change lie here; of those before ``from_ms`` and at the end only some are judged."""
    from_ms: int
    earlier: frozenset[str]
    """Sources before ``from_ms`` that still waited then."""
    later: frozenset[str]
    """Sources that wait still at the end: what becomes of them is as it was."""
    unmatched: list[Unmatched]
    old_states: dict[int, str]
    states: dict[int, str]

    def judges(self, row: Unmatched) -> bool:
        return row.source not in self.later if row.at_ms >= self.from_ms else row.source in self.earlier


@dataclass(slots=True)
class _View:
    """One gate and direction as it is kept, while its changes are settled."""

    access: LedgerAccess
    rules: Rulebook
    side: Side
    stands_for: Replacements

    def replace(self, work: _Work) -> None:
        known = [row for row in self.access.ledger(self.side, work.span) if work.judges(row.row)]
        self.access.change_ledger(self.side, *_difference(self.side, known, work.unmatched))
        old, new = work.old_states.items(), work.states.items()
        gone, states = ([StateRow(*self.side, *each) for each in some] for some in (old - new, new - old))
        self.access.change_states(self.side, gone, states)

    def without_partners(self, span: Span) -> _Work | None:
        """Where nobody passed every count is a surplus, and where nobody was counted every passage was turned back:
        nothing beside the change need be looked at."""
        around = (max(0, span[0] - NEAR_MS), span[1] + NEAR_MS + STEP_MS)
        # A state is kept only where both were near: after the change none is left, those before stay as they are.
        after = (span[0] + 1, around[1])
        if not self.parties(around):
            return self._all_surplus(span)
        if not self.counts(around):
            # A count that is gone may have had any of these for its partner.
            span = (max(0, span[0] - REACH_MS), span[1] + REACH_MS)
            found = [turned_back(party, party.n) for party in self.parties(span) if party.n and party.watched]
        else:
            return None
        if self.aggregates(span):
            return None
        old = self.access.states(self.side, after)
        return _Work(span, span[0], frozenset(), frozenset(), found, old, {})

    def _all_surplus(self, span: Span) -> _Work | None:
        """Every count and every aggregate that meets the span, when nobody passed in the aggregates' windows either.

        Aggregates that only meet those windows are as they were: a box that was away for a day brings a chain of them.
        """
        meeting = self.aggregates(span)
        wide = _around(span, meeting)
        around = (max(0, wide[0] - NEAR_MS), wide[1] + NEAR_MS + STEP_MS)
        if meeting and self.parties(around):
            return None
        ours = {each.source for each in meeting}
        beside = frozenset(each.source for each in self.aggregates(wide) if each.source not in ours) if ours else ours
        found = [surplus(each, each.n) for each in [*self.counts(wide), *meeting] if each.n]
        old = self.access.states(self.side, (wide[0] + 1, around[1]))
        return _Work(wide, wide[0], frozenset(), frozenset(beside), found, old, {})

    def settled(self, span: Span) -> _Work:
        """From the state at the step before the change, to the first step after it at which the old state is met.

        Aggregates take what is left in their whole window, so each that reaches into the stretch lies within it.
        """
        while True:
            start_ms = span[0] - span[0] % STEP_MS
            work = self._met(start_ms, span[1])
            wider = _around(span, self.aggregates((max(0, start_ms - REACH_MS), work.span[1])))
            if wider == span:
                return work
            span = wider

    def _met(self, start_ms: int, last_ms: int) -> _Work:
        ahead_ms = NEAR_MS
        while True:
            # What waits at a step is decided by NEAR_MS before it: only where those are as they were can it be met.
            end_ms = step_after(last_ms + NEAR_MS + ahead_ms)
            work = self._settled_to(start_ms, last_ms + NEAR_MS, end_ms)
            if work is not None:
                return work
            ahead_ms *= 4

    def _settled_to(self, start_ms: int, sure_ms: int, end_ms: int) -> _Work | None:
        """Settle up to ``end_ms`` at most; None when the old state is not met until then."""
        read = (max(0, start_ms - NEAR_MS), end_ms - 1)
        counts, parties = self.counts(read), self.parties(read)
        old = self.access.states(self.side, (start_ms, end_ms))
        before, counts_now, parties_now = _resumed(start_ms, old.pop(start_ms, None), counts, parties)
        within = [each for each in self.aggregates((start_ms, end_ms - 1)) if each.t_ms >= start_ms]
        found = reconcile(sorted([*counts_now, *within], key=_place), parties_now)
        times = [each.t_ms for each in counts], [each.t_ms for each in parties]
        states = {
            step_ms: state_text(state)
            for step_ms, state in found.waiting.items()
            if start_ms < step_ms <= end_ms and is_kept(step_ms, *times)
        }
        steps = range(step_after(sure_ms), end_ms + 1, STEP_MS)
        met_ms = next((step for step in steps if states.get(step) == old.get(step)), None)
        if met_ms is None:
            return None
        waiting = found.waiting.get(met_ms)
        later = frozenset(each.source for each in waiting.waiting) if waiting else frozenset()
        unmatched = [row for row in found.unmatched if row.at_ms < met_ms and row.source not in later]
        return _Work(
            (read[0], met_ms - 1), start_ms, before, later, unmatched,
            {step: text for step, text in old.items() if step < met_ms},
            {step: text for step, text in states.items() if step < met_ms},
        )  # fmt: skip

    def counts(self, span: Span) -> list[Count]:
        """Single counts within a span that stand."""
        return self._standing(self.access.counts(self.side, span))

    def aggregates(self, span: Span) -> list[Count]:
        """Aggregates that stand and whose window meets a span."""
        reached = (max(0, span[0] - REACH_MS), span[1] + REACH_MS)
        return self._standing(self.access.aggregates(self.side, reached))

    def parties(self, span: Span) -> list[Party]:
        rows = self.access.parties(self.side, span)
        return [_watched(party, self.rules, self.side[0]) for party in rows]

    def _standing(self, rows: Iterable[CountRow]) -> list[Count]:
        return _standing(rows, self.rules, self.side[0], self.stands_for)


def _resumed(
    start_ms: int, text: str | None, counts: Sequence[Count], parties: Sequence[Party]
) -> tuple[frozenset[str], list[Count], list[Party]]:
    """What waits at ``start_ms`` and all that comes after; the first are the sources of what waits."""
    early: tuple[list[Count], list[Party]] = (
        [each for each in counts if each.t_ms < start_ms],
        [each for each in parties if each.t_ms < start_ms],
    )
    waiting: dict[str, int] = {}
    if not early[0] or not early[1]:  # no partner was near: all that is young enough waits
        waiting = {each.source: each.n for some in early for each in some if each.t_ms >= start_ms - REACH_MS}
    elif text is not None:
        waiting = {each.source: each.left for each in state_of(text).waiting}
    counts_now = [_left(each, waiting) for each in counts if each.t_ms >= start_ms or each.source in waiting]
    parties_now = [_left(each, waiting) for each in parties if each.t_ms >= start_ms or each.source in waiting]
    return frozenset(waiting), counts_now, parties_now


def _left(row: Crossing, waiting: Mapping[str, int]) -> Crossing:
    left = waiting.get(row.source, row.n)
    return row if left == row.n else msgspec.structs.replace(row, n=left)


def _around(span: Span, aggregates: Iterable[Count]) -> Span:
    """The span with the windows of these aggregates."""
    first, last = span
    for each in aggregates:
        assert each.from_ms is not None
        first, last = min(first, max(0, each.from_ms - REACH_MS)), max(last, each.t_ms + REACH_MS)
    return first, last


def _place(row: Count) -> bytes:
    return row.key


def _standing(rows: Iterable[CountRow], rules: Rulebook, gate: str, stands_for: Replacements) -> list[Count]:
    """Counts of the gate's one counting device that no aggregate stands for."""
    return [
        Count(row.key, row.t_ms, triple_id(row.triple), row.n, row.from_ms)
        for row in rows
        if _counts_here(row, rules, gate) and not stands_for.holds(row.triple)
    ]


def _counts_here(row: CountRow, rules: Rulebook, gate: str) -> bool:
    rule = rules.places(row.t_ms).gates.get(gate)
    return rule is None or rule.counter is None or rule.counter == row.triple[0]


def _watched(party: Party, rules: Rulebook, gate: str) -> Party:
    rule = rules.places(party.t_ms).gates.get(gate)
    return Party(party.key, party.t_ms, party.source, party.n, rule is not None and rule.counter is not None)


def _with(span: Span, windows: Iterable[Span]) -> Span:
    """The span with these windows, as far as they end in it."""
    ending = [(from_ms, to_ms) for from_ms, to_ms in windows if span[0] <= to_ms <= span[1]]
    first_ms = min((max(0, from_ms - REACH_MS) for from_ms, _ in ending), default=span[0])
    last_ms = max((to_ms + REACH_MS for _, to_ms in ending), default=span[1])
    return min(span[0], first_ms), max(span[1], last_ms)


def _difference(
    side: Side, known: Iterable[LedgerRow], found: Iterable[Unmatched]
) -> tuple[list[LedgerRow], list[LedgerRow]]:
    old = {entry.row for entry in known}
    new = set(found)
    gate, direction = side
    removed = [LedgerRow(gate, direction, row) for row in sorted(old - new, key=_order)]
    return removed, [LedgerRow(gate, direction, row) for row in sorted(new - old, key=_order)]


def _order(row: Unmatched) -> tuple[bytes, str]:
    return row.key, row.kind
