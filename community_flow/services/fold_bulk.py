"""A whole community derived at once, from streams of reports: what a rebuild writes, and what its check compares.

The rules are those of the incremental fold; `tests/unit/test_fold_model.py` holds both to the same slow model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec
import numpy as np

from community_flow.domain.bulk_columns import Ints, ScanColumns, ScanTable, subjects_of
from community_flow.domain.bulk_conflicts import Quotas, relayed
from community_flow.domain.bulk_fold import BulkFolded, fold_all
from community_flow.domain.bulk_ledger import CountColumns, Side, SideCounts, at_gate, settle, states_of
from community_flow.domain.bulk_passed import Passed, SidePassed
from community_flow.domain.bulk_rows import (
    attempt_rows,
    conflicts_of,
    passage_rows,
    rows_of_attempts,
    rows_of_passages,
    rows_of_visits,
    visit_rows,
)
from community_flow.domain.conflicts import Conflict
from community_flow.domain.fold import Folded, fold
from community_flow.domain.ledger import SURPLUS, TURNED_BACK, Party, Unmatched, turned_back
from community_flow.domain.rulebook import GateRule, Rulebook
from community_flow.domain.visits import UNKNOWN, decoded
from community_flow.ports import Transaction
from community_flow.ports.fold_bulk import TABLES, Anchor, FoldBulk, Row

HOUR_MS = 3_600_000
ODD_AT_ONCE = 50_000
"""Scans of subjects that are folded one by one, before their rows are written."""

NONE = np.empty(0, np.int64)

Sink: TypeAlias = Callable[[str, Iterable[Row]], None]
"""Takes rows of a table."""


class BulkFold:
    def __init__(self, store: FoldBulk) -> None:
        self.store = store

    def rebuild(self, tx: Transaction, community: str, rules: Rulebook) -> None:
        """Put everything derived anew in the place of what is kept, in the caller's transaction: readers see the old
        tables until it commits. No hook is called."""
        store = self.store
        anchors = store.anchors(tx, community)
        store.empty(tx, community)
        self._derive(tx, community, rules, anchors, lambda table, rows: store.fill(tx, community, table, rows))

    def differing(self, tx: Transaction, community: str, rules: Rulebook) -> list[str]:
        """Tables that a rebuild would change; nothing is written. What follows from corrections is judged by those that
        are kept: where they differ, they are named themselves."""
        derived = {table: Digest() for table in TABLES}
        anchors = self.store.anchors(tx, community)
        self._derive(tx, community, rules, anchors, lambda table, rows: derived[table].add(rows), index=False)
        return [table for table in TABLES if derived[table] != self._kept(tx, community, table)]

    def fingerprint(self, tx: Transaction, community: str) -> dict[str, tuple[int, str]]:
        """Table → (rows, their sum): equal when everything derived is equal."""
        kept = {table: self._kept(tx, community, table) for table in TABLES}
        return {table: (digest.rows, f"{digest.total:048x}") for table, digest in kept.items()}

    def _kept(self, tx: Transaction, community: str, table: str) -> Digest:
        digest = Digest()
        digest.add(self.store.kept(tx, community, table))
        return digest

    def _derive(
        self, tx: Transaction, community: str, rules: Rulebook, anchors: dict[str, Anchor], sink: Sink, *,
        index: bool = True,
    ) -> None:  # fmt: skip
        # Corrections first: what is live is asked of the table of what they name.
        sink("voids", sorted(set(self.store.corrected(tx, community))))
        sink("censuses", self.store.censuses(tx, community))
        passed = self._people(tx, community, rules, anchors, sink).sides()
        if index:
            self.store.index(tx)
        if rules.quota_households:
            sink("conflicts", map(_conflict_row, Quotas(rules).of(self.store.outings(tx, community))))
        sums = self._ledger(tx, community, rules, passed, sink)
        sink("flow_hours", _hours(passed, sums))

    def _people(
        self, tx: Transaction, community: str, rules: Rulebook, anchors: dict[str, Anchor], sink: Sink
    ) -> Passed:
        columns = ScanColumns()
        for rows in self.store.scans(tx, community):
            columns.add(rows)
        table = columns.table()
        subjects = subjects_of(table, rules.subject, rules.steady)
        sink("conflicts", map(_conflict_row, relayed(table)))
        folded = fold_all(table, subjects, rules, anchors)
        del table, subjects, columns
        sink("passages", passage_rows(folded))
        sink("visits", visit_rows(folded))
        sink("attempts", attempt_rows(folded))
        sink("conflicts", map(_conflict_row, conflicts_of(folded)))
        passed = Passed(folded)
        for each in _odd(folded, rules, anchors):
            sink("passages", rows_of_passages(each.passages))
            sink("visits", rows_of_visits(each.visits))
            sink("attempts", rows_of_attempts(each.attempts))
            sink("conflicts", map(_conflict_row, each.conflicts))
            passed.add(each.passages)
        return passed

    def _ledger(
        self, tx: Transaction, community: str, rules: Rulebook, passed: dict[Side, SidePassed], sink: Sink
    ) -> dict[tuple[str, str, int], Any]:
        """Settle every gate and direction; gives the hourly sums of what found no partner."""
        columns = CountColumns()
        for rows in self.store.counts(tx, community):
            columns.add(rows)
        sink("replacements", ((*each.by, *each.side, *each.replaces) for each in columns.stands))
        sides: dict[Side, SideCounts | None] = dict(columns.sides(rules))
        for gate in rules.watched_gates:
            for direction in ("in", "out"):
                sides.setdefault((gate, direction), None)
        sums: dict[tuple[str, str, int], Counter[str]] = defaultdict(Counter)
        for side, counts in sorted(sides.items(), key=lambda each: each[0]):
            one = _OneSide(rules, side, counts, passed.get(side))
            sink("ledger", _noted(side, one.unmatched(), sums))
            sink("ledger_states", ((*side, *state) for state in one.states()))
        return sums


@dataclass
class Digest:
    """Sum of the hashes of rows: the same whatever their order, and nothing is held."""

    rows: int = 0
    total: int = 0

    def add(self, rows: Iterable[Row]) -> None:
        encode = msgspec.msgpack.Encoder().encode
        count, total = 0, 0
        for row in rows:
            count += 1
            total += int.from_bytes(blake2b(encode(row), digest_size=24).digest(), "big")
        self.rows, self.total = self.rows + count, (self.total + total) % 2**192


def _odd(folded: BulkFolded, rules: Rulebook, anchors: dict[str, Anchor]) -> Iterator[Folded]:
    """Subjects folded one by one, some thousand scans at a time."""
    found, scans = Folded(), 0
    for rows in folded.irregular:
        name = folded.names[int(folded.subject[rows[0]])]
        one = _folded(folded.table, name, rows, rules, anchors.get(name))
        found.passages += one.passages
        found.attempts += one.attempts
        found.visits += one.visits
        found.conflicts += one.conflicts
        scans += len(rows)
        if scans > ODD_AT_ONCE:
            yield found
            found, scans = Folded(), 0
    yield found


def _folded(table: ScanTable, name: str, rows: Sequence[int] | Any, rules: Rulebook, anchor: Anchor | None) -> Folded:
    scans = table.scans(rows)
    if anchor is None:
        return fold(scans, rules, name)
    state = UNKNOWN if anchor.before is None else decoded(anchor.before)
    return fold([scan for scan in scans if scan.key >= anchor.key], rules, name, state)


def _conflict_row(found: Conflict) -> Row:
    evidence, detail = msgspec.json.encode(found.evidence).decode(), msgspec.json.encode(found.detail).decode()
    return found.id, found.kind, found.subject, found.person, found.key, found.at_ms, evidence, detail


def _noted(side: Side, found: Iterable[Unmatched], sums: dict[tuple[str, str, int], Counter[str]]) -> Iterator[Row]:
    for each in found:
        sums[(*side, each.at_ms - each.at_ms % HOUR_MS)][each.kind] += each.n
        yield (*side, each.key, each.kind, each.at_ms, each.from_ms, each.n, each.source)


def _hours(passed: dict[Side, SidePassed], sums: dict[tuple[str, str, int], Counter[str]]) -> Iterator[Row]:
    for side, found in passed.items():
        for hour_ms, *row in found.hours():
            extra = sums.pop((*side, hour_ms), Counter())
            yield (*side, hour_ms, *row, extra[SURPLUS], extra[TURNED_BACK])
    for (gate, direction, hour_ms), extra in sorted(sums.items()):
        yield (gate, direction, hour_ms, 0, 0, 0, 0, extra[SURPLUS], extra[TURNED_BACK])


class _OneSide:
    """The ledger of one gate and direction."""

    def __init__(self, rules: Rulebook, side: Side, counts: SideCounts | None, passed: SidePassed | None) -> None:
        self.counts, self.passed = counts, passed
        self.party_ms, bodies = (NONE, NONE) if passed is None else (passed.t_ms, passed.party)
        self.found = settle(counts, self.party_ms, bodies)
        self.watched = at_gate(self.party_ms, rules, side[0], _watches)

    def unmatched(self) -> Iterator[Unmatched]:
        if self.counts is not None:
            yield from self.counts.surplus(self.found.left_counts)
        left = self.found.left_parties * self.watched
        rows = np.flatnonzero(left)
        for party, bodies in zip(self._taken(rows), left[rows].tolist(), strict=True):
            yield turned_back(party, bodies)

    def states(self) -> Iterator[tuple[int, str]]:
        if self.counts is None:
            return iter(())
        return states_of(
            self.counts, self.party_ms, self.found, lambda rows: [each.source for each in self._taken(rows)]
        )

    def _taken(self, rows: Ints) -> Iterator[Party]:
        return iter(()) if self.passed is None else self.passed.parties(rows)


def _watches(rule: GateRule | None) -> int:
    """1 where a counting device should have seen a passage."""
    return int(rule is not None and rule.counter is not None)
