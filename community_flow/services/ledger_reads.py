"""What the ledger's fold reads of one gate and direction, for many of them in one go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from community_flow.domain.ledger import NEAR_MS, REACH_MS, STEP_MS, Party, step_after
from community_flow.ports import Transaction
from community_flow.ports.flow import CountRow, FoldReports, FoldRows, LedgerRow, Side, SideSpan, StateRow

Span = tuple[int, int]
"""First and last event time, both included."""

Row = TypeVar("Row", CountRow, Party)


@dataclass(slots=True)
class _Ahead:
    """Rows of one gate and direction: counts and entries of the ledger within ``close``, the others within ``wide``."""

    wide: Span
    close: Span
    counts: list[CountRow] = field(default_factory=list)
    aggregates: list[CountRow] = field(default_factory=list)
    parties: list[Party] = field(default_factory=list)
    ledger: list[LedgerRow] = field(default_factory=list)
    states: list[StateRow] = field(default_factory=list)


class LedgerReads:
    """Answers from memory what was read ahead, the rest from the store.

    Each question costs PostgreSQL a round trip. What a change needs lies nearly always within a minute of it: that is
    read for all gates together.
    """

    def __init__(self, reports: FoldReports, rows: FoldRows, tx: Transaction, community: str) -> None:
        self.reports, self.rows, self.tx, self.community = reports, rows, tx, community
        self._ahead: dict[Side, _Ahead] = {}

    def read_ahead(self, changes: Iterable[tuple[Side, Span]]) -> None:
        """Read what settling these changes needs. Each side at most once: what a change writes, the next would not
        see."""
        self._ahead = {side: _Ahead(near(span), span) for side, span in changes}
        wide = [SideSpan(*side, *ahead.wide) for side, ahead in self._ahead.items()]
        for side, party in self.rows.parties(self.tx, self.community, wide):
            self._ahead[side].parties.append(party)
        for state in self.rows.ledger_states(self.tx, self.community, wide):
            self._ahead[state.gate, state.direction].states.append(state)
        for side, count in self.reports.aggregates(self.tx, self.community, wide):
            self._ahead[side].aggregates.append(count)
        for ahead in self._ahead.values():
            # Where nobody passed only the change itself is looked at: a camera alone may count hundreds a minute.
            ahead.close = ahead.wide if ahead.parties else ahead.close
        close = [SideSpan(*side, *ahead.close) for side, ahead in self._ahead.items()]
        for side, count in self.reports.counts(self.tx, self.community, close):
            self._ahead[side].counts.append(count)
        for entry in self.rows.ledger(self.tx, self.community, close):
            self._ahead[entry.gate, entry.direction].ledger.append(entry)

    def counts(self, side: Side, span: Span) -> list[CountRow]:
        """Live single counts in a span, sorted by key."""
        ahead = self._close(side, span)
        if ahead is None:
            return _of_one(self.reports.counts(self.tx, self.community, [SideSpan(*side, *span)]))
        return sorted((each for each in ahead.counts if span[0] <= each.t_ms <= span[1]), key=_key)

    def aggregates(self, side: Side, span: Span) -> list[CountRow]:
        """Live aggregates that lie in, or reach into, a span, sorted by key."""
        ahead = self._wide(side, span)
        if ahead is None:
            return _of_one(self.reports.aggregates(self.tx, self.community, [SideSpan(*side, *span)]))
        return sorted((each for each in ahead.aggregates if _reaches(each, span)), key=_key)

    def parties(self, side: Side, span: Span) -> list[Party]:
        """Bodies of passages in a span, sorted by key."""
        ahead = self._wide(side, span)
        if ahead is None:
            return _of_one(self.rows.parties(self.tx, self.community, [SideSpan(*side, *span)]))
        return sorted((each for each in ahead.parties if span[0] <= each.t_ms <= span[1]), key=_key)

    def ledger(self, side: Side, span: Span) -> list[LedgerRow]:
        ahead = self._close(side, span)
        if ahead is None:
            return self.rows.ledger(self.tx, self.community, [SideSpan(*side, *span)])
        return [each for each in ahead.ledger if span[0] <= each.row.at_ms <= span[1]]

    def states(self, side: Side, span: Span) -> dict[int, str]:
        """Step → state, both ends of the span included."""
        ahead = self._wide(side, span)
        if ahead is None:
            rows: Sequence[StateRow] = self.rows.ledger_states(self.tx, self.community, [SideSpan(*side, *span)])
        else:
            rows = [each for each in ahead.states if span[0] <= each.step_ms <= span[1]]
        return {row.step_ms: row.state for row in rows}

    def _close(self, side: Side, span: Span) -> _Ahead | None:
        ahead = self._ahead.get(side)
        return ahead if ahead is not None and _within(span, ahead.close) else None

    def _wide(self, side: Side, span: Span) -> _Ahead | None:
        ahead = self._ahead.get(side)
        return ahead if ahead is not None and _within(span, ahead.wide) else None


def _within(span: Span, around: Span) -> bool:
    return around[0] <= span[0] and span[1] <= around[1]


def near(span: Span) -> Span:
    """From what may have waited at the step before a change, to the second step after it at which all may be as it was;
    aggregates reach a little further."""
    first_ms = span[0] - span[0] % STEP_MS - NEAR_MS - REACH_MS
    return max(0, first_ms), step_after(span[1] + 2 * NEAR_MS) + REACH_MS


def _reaches(row: CountRow, span: Span) -> bool:
    return row.t_ms >= span[0] and row.from_ms is not None and row.from_ms <= span[1]


def _key(row: CountRow | Party) -> bytes:
    return row.key


def _of_one(rows: Iterable[tuple[Side, Row]]) -> list[Row]:
    return sorted((row for _, row in rows), key=_key)
