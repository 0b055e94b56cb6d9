"""The gate ledger's part of a fold: counted bodies against passages, wherever either changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from community_flow.domain.ledger import REACH_MS, Count, Party, Unmatched, quiet_around, reconcile
from community_flow.domain.passages import Triple, triple_id
from community_flow.domain.rulebook import Rulebook
from community_flow.ports import Transaction
from community_flow.ports.flow import Changed, CountRow, FoldReports, FoldRows, LedgerRow, Replacement

Side = tuple[str, str]
"""(gate, direction)."""

Span = tuple[int, int]
"""First and last event time, both included."""

FIRST_MARGIN_MS = 60_000
JOIN_MS = 600_000
"""Changes closer together than this are settled in one go."""

FOREVER_MS = 2**62


@dataclass(slots=True)
class Touched:
    """Where a fold must look at the ledger again."""

    spans: dict[Side, list[Span]] = field(default_factory=lambda: defaultdict(list))

    def add(self, gate: str, direction: str, span: Span) -> None:
        self.spans[gate, direction].append(span)

    def merged(self) -> dict[Side, list[Span]]:
        return {side: _merged(spans) for side, spans in sorted(self.spans.items())}


class LedgerFold:
    def __init__(self, reports: FoldReports, rows: FoldRows) -> None:
        self.reports, self.rows = reports, rows

    def refold(self, tx: Transaction, rules: Rulebook, touched: Touched, changed: Changed) -> None:
        """Settle what is touched, after the passages were written; the difference is put into ``changed``."""
        for (gate, direction), spans in touched.merged().items():
            if gate not in rules.watched_gates and not self.reports.counted(tx, changed.community, gate):
                continue  # nobody ever counted here
            stands_for = self._replacements(tx, changed.community, gate, direction, spans)
            for span in _merged(spans):
                self._settle(tx, rules, (gate, direction), span, stands_for, changed)

    def _replacements(
        self, tx: Transaction, community: str, gate: str, direction: str, spans: list[Span]
    ) -> Sequence[Replacement]:
        """Note what aggregates in these spans stand for; ``spans`` grows by the counts they replace."""
        for span in list(spans):
            for count in self.reports.counts(tx, community, gate, direction, span):
                if count.replaces is None:
                    continue
                row = Replacement(count.triple, gate, direction, *count.replaces)
                self.rows.add_replacements(tx, community, [row])
                replaced = self.rows.replaced_span(tx, community, row)
                if replaced is not None:
                    spans.append(replaced)
        return self.rows.replacements(tx, community, gate, direction)

    def _settle(
        self, tx: Transaction, rules: Rulebook, side: Side, span: Span, stands_for: Sequence[Replacement],
        changed: Changed,
    ) -> None:  # fmt: skip
        counts, parties, (first_ms, last_ms) = self._events(tx, rules, side, span, stands_for, changed.community)
        found = reconcile(counts, parties)
        known = self.rows.ledger(tx, changed.community, *side, (first_ms, last_ms))
        removed, added = _difference(side, known, found)
        self.rows.replace_ledger(tx, changed.community, removed, added)
        changed.ledger_removed += removed
        changed.ledger_added += added

    def _events(
        self, tx: Transaction, rules: Rulebook, side: Side, span: Span, stands_for: Sequence[Replacement],
        community: str,
    ) -> tuple[list[Count], list[Party], Span]:  # fmt: skip
        """Counts and passages of the least stretch around ``span`` that can be settled alone."""
        margin_ms = FIRST_MARGIN_MS
        while True:
            around = (max(0, span[0] - margin_ms), min(FOREVER_MS, span[1] + margin_ms))
            counts = _standing(self.reports.counts(tx, community, *side, around), rules, side[0], stands_for)
            parties = self.rows.parties(tx, community, *side, around)
            spans = [(each.t_ms if each.from_ms is None else each.from_ms, each.t_ms) for each in counts]
            spans += [(party.t_ms, party.t_ms) for party in parties]
            first_ms, last_ms = quiet_around(spans, *span)
            # Beyond what was read there may be something within reach: read more until there is silence.
            if _reached_back(first_ms, around[0]) or last_ms + REACH_MS > around[1]:
                span = (min(span[0], first_ms), max(span[1], last_ms))
                margin_ms *= 4
                continue
            inside = [each for each in counts if first_ms <= each.t_ms <= last_ms]
            watched = [_watched(party, rules, side[0]) for party in parties if first_ms <= party.t_ms <= last_ms]
            return inside, watched, (first_ms, last_ms)


def _reached_back(first_ms: int, read_from_ms: int) -> bool:
    return read_from_ms > 0 and first_ms - REACH_MS < read_from_ms


def _standing(rows: Iterable[CountRow], rules: Rulebook, gate: str, stands_for: Sequence[Replacement]) -> list[Count]:
    """Counts of the gate's one counting device that no aggregate stands for."""
    by_device: dict[str, list[Replacement]] = defaultdict(list)
    for each in stands_for:
        by_device[each.by[0]].append(each)
    return [
        Count(row.key, row.t_ms, triple_id(row.triple), row.n, row.from_ms)
        for row in rows
        if _counts_here(row, rules, gate) and not _replaced(row.triple, by_device)
    ]


def _counts_here(row: CountRow, rules: Rulebook, gate: str) -> bool:
    rule = rules.places(row.t_ms).gates.get(gate)
    return rule is None or rule.counter is None or rule.counter == row.triple[0]


def _replaced(triple: Triple, by_device: Mapping[str, Sequence[Replacement]]) -> bool:
    device, boot, seq = triple
    return any(
        each.boot == boot and each.from_seq <= seq <= each.to_seq and _may_replace(each, triple)
        for each in by_device.get(device, ())
    )


def _may_replace(by: Replacement, triple: Triple) -> bool:
    """An aggregate stands for earlier reports only, so it never stands for itself."""
    return by.by[1] != triple[1] or triple[2] < by.by[2]


def _watched(party: Party, rules: Rulebook, gate: str) -> Party:
    rule = rules.places(party.t_ms).gates.get(gate)
    return Party(party.key, party.t_ms, party.source, party.n, rule is not None and rule.counter is not None)


def _merged(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + JOIN_MS:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _difference(
    side: Side, known: Iterable[LedgerRow], found: Iterable[Unmatched]
) -> tuple[list[LedgerRow], list[LedgerRow]]:
    old = {entry.row for entry in known}
    new = set(found)
    gate, direction = side
    removed = [LedgerRow(gate, direction, row) for row in sorted(old - new, key=_place)]
    return removed, [LedgerRow(gate, direction, row) for row in sorted(new - old, key=_place)]


def _place(row: Unmatched) -> tuple[bytes, str]:
    return row.key, row.kind
