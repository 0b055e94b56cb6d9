"""What the ledger's fold reads and writes of its gates and directions, for many of them in one go."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Generic, TypeVar

from community_flow.domain.ledger import NEAR_MS, REACH_MS, STEP_MS, Party, step_after
from community_flow.domain.spans import Span, around, joined
from community_flow.ports import Transaction
from community_flow.ports.flow import (
    Changed,
    CountRow,
    FoldReports,
    FoldRows,
    LedgerRow,
    Side,
    SideSpan,
    StateRow,
)  # fmt: skip

Row = TypeVar("Row", CountRow, Party)
Written = TypeVar("Written", LedgerRow, StateRow)

_t_ms, _key = attrgetter("t_ms"), attrgetter("key")


@dataclass(slots=True)
class _Ahead:
    """Rows of one gate and direction: counts and entries of the ledger within ``close``, the others within ``wide``.
    Counts, aggregates and bodies of passages in the order of their keys."""

    wide: list[Span]
    close: list[Span] = field(default_factory=list)
    counts: list[CountRow] = field(default_factory=list)
    aggregates: list[CountRow] = field(default_factory=list)
    parties: list[Party] = field(default_factory=list)
    ledger: dict[Hashable, LedgerRow] = field(default_factory=dict)
    states: dict[int, StateRow] = field(default_factory=dict)


class _Pending(Generic[Written]):
    """What is still to be written: what the store has and is to lose, and what it has not and is to get."""

    def __init__(self, name: Callable[[Written], Hashable]) -> None:
        self._name: Callable[[Written], Hashable] = name
        self.removed: dict[Hashable, Written] = {}
        self.added: dict[Hashable, Written] = {}

    def change(self, removed: Iterable[Written], added: Iterable[Written]) -> None:
        for row in removed:
            self._move(row, self.added, self.removed)
        for row in added:
            self._move(row, self.removed, self.added)

    def _move(self, row: Written, undone: dict[Hashable, Written], noted: dict[Hashable, Written]) -> None:
        name = self._name(row)
        if undone.get(name) == row:  # the change before this one is taken back
            del undone[name]
        else:
            noted[name] = row

    def take(self) -> tuple[list[Written], list[Written]]:
        taken = list(self.removed.values()), list(self.added.values())
        self.removed.clear()
        self.added.clear()
        return taken


class LedgerAccess:
    """Answers from memory what was read ahead, the rest from the store; keeps what changes until `write`.

    Each question costs PostgreSQL a round trip, and on SQLite the interpreter, which others are waiting for. What a
    change needs lies nearly always within a minute of it: that is read for all changes together.
    """

    def __init__(self, reports: FoldReports, rows: FoldRows, tx: Transaction, changed: Changed) -> None:
        """What is written is put into ``changed``."""
        self.reports, self.rows, self.tx, self.changed = reports, rows, tx, changed
        self.community = changed.community
        self._ahead: dict[Side, _Ahead] = {}
        self._ledger: _Pending[LedgerRow] = _Pending(_entry)
        self._states: _Pending[StateRow] = _Pending(_step)

    def read_ahead(self, changes: Mapping[Side, Sequence[Span]]) -> None:
        """Read what settling these changes needs."""
        self._ahead = {side: _Ahead(joined(map(near, spans))) for side, spans in changes.items()}
        wide = [SideSpan(*side, *span) for side, ahead in self._ahead.items() for span in ahead.wide]
        for side, party in self.rows.parties(self.tx, self.community, wide):
            self._ahead[side].parties.append(party)
        for state in self.rows.ledger_states(self.tx, self.community, wide):
            self._ahead[state.gate, state.direction].states[state.step_ms] = state
        # One that reaches into several spans comes with each of them.
        for side, count in dict.fromkeys(self.reports.aggregates(self.tx, self.community, wide)):
            self._ahead[side].aggregates.append(count)
        for side, ahead in self._ahead.items():
            ahead.parties.sort(key=_key)
            ahead.aggregates.sort(key=_key)
            # Where nobody passed only the change itself is looked at: a camera alone may count hundreds a minute.
            ahead.close = joined(near(each) if _within(ahead.parties, near(each)) else each for each in changes[side])
        close = [SideSpan(*side, *span) for side, ahead in self._ahead.items() for span in ahead.close]
        for side, count in self.reports.counts(self.tx, self.community, close):
            self._ahead[side].counts.append(count)
        for entry in self.rows.ledger(self.tx, self.community, close):
            self._ahead[entry.gate, entry.direction].ledger[_entry(entry)] = entry
        for ahead in self._ahead.values():
            ahead.counts.sort(key=_key)

    def counts(self, side: Side, span: Span) -> list[CountRow]:
        """Live single counts in a span, sorted by key."""
        ahead = self._close(side, span)
        if ahead is None:
            return _of_one(self.reports.counts(self.tx, self.community, [SideSpan(*side, *span)]))
        return _within(ahead.counts, span)

    def aggregates(self, side: Side, span: Span) -> list[CountRow]:
        """Live aggregates that lie in, or reach into, a span, sorted by key."""
        ahead = self._wide(side, span)
        if ahead is None:
            return _of_one(self.reports.aggregates(self.tx, self.community, [SideSpan(*side, *span)]))
        later = ahead.aggregates[bisect_left(ahead.aggregates, span[0], key=_t_ms) :]
        return [each for each in later if each.from_ms is not None and each.from_ms <= span[1]]

    def parties(self, side: Side, span: Span) -> list[Party]:
        """Bodies of passages in a span, sorted by key."""
        ahead = self._wide(side, span)
        if ahead is None:
            return _of_one(self.rows.parties(self.tx, self.community, [SideSpan(*side, *span)]))
        return _within(ahead.parties, span)

    def ledger(self, side: Side, span: Span) -> list[LedgerRow]:
        ahead = self._close(side, span)
        if ahead is None:
            self.write()
            return self.rows.ledger(self.tx, self.community, [SideSpan(*side, *span)])
        return [each for each in ahead.ledger.values() if span[0] <= each.row.at_ms <= span[1]]

    def states(self, side: Side, span: Span) -> dict[int, str]:
        """Step → state, both ends of the span included."""
        ahead = self._wide(side, span)
        if ahead is None:
            self.write()
            rows: Iterable[StateRow] = self.rows.ledger_states(self.tx, self.community, [SideSpan(*side, *span)])
        else:
            rows = (each for each in ahead.states.values() if span[0] <= each.step_ms <= span[1])
        return {row.step_ms: row.state for row in rows}

    def change_ledger(self, side: Side, removed: Sequence[LedgerRow], added: Sequence[LedgerRow]) -> None:
        self._ledger.change(removed, added)
        known = self._ahead[side].ledger
        for row in removed:
            known.pop(_entry(row), None)
        known.update((_entry(row), row) for row in added)

    def change_states(self, side: Side, removed: Sequence[StateRow], added: Sequence[StateRow]) -> None:
        self._states.change(removed, added)
        known = self._ahead[side].states
        for row in removed:
            known.pop(row.step_ms, None)
        known.update((row.step_ms, row) for row in added)

    def write(self) -> None:
        """Write what has changed since the last time."""
        gone, states = self._states.take()
        self.rows.replace_states(self.tx, self.community, gone, states)
        removed, added = self._ledger.take()
        self.rows.replace_ledger(self.tx, self.community, removed, added)
        self.changed.ledger_removed += removed
        self.changed.ledger_added += added

    def _close(self, side: Side, span: Span) -> _Ahead | None:
        ahead = self._ahead.get(side)
        return ahead if ahead is not None and _holds(ahead.close, span) else None

    def _wide(self, side: Side, span: Span) -> _Ahead | None:
        ahead = self._ahead.get(side)
        return ahead if ahead is not None and _holds(ahead.wide, span) else None


def near(span: Span) -> Span:
    """From what may have waited at the step before a change, to the second step after it at which all may be as it was;
    aggregates reach a little further."""
    first_ms = span[0] - span[0] % STEP_MS - NEAR_MS - REACH_MS
    return max(0, first_ms), step_after(span[1] + 2 * NEAR_MS) + REACH_MS


def _holds(spans: Sequence[Span], span: Span) -> bool:
    whole = around(spans, span[0])
    return whole is not None and span[1] <= whole[1]


def _within(rows: list[Row], span: Span) -> list[Row]:
    return rows[bisect_left(rows, span[0], key=_t_ms) : bisect_right(rows, span[1], key=_t_ms)]


def _entry(row: LedgerRow) -> Hashable:
    return row.gate, row.direction, row.row.key, row.row.kind


def _step(row: StateRow) -> Hashable:
    return row.gate, row.direction, row.step_ms


def _of_one(rows: Iterable[tuple[Side, Row]]) -> list[Row]:
    return sorted((row for _, row in rows), key=_key)
