"""Keeps the hourly counts up to date: the fold says from where, a reader counts what is due."""

from __future__ import annotations

from collections.abc import Sequence

from community_flow.domain.footfall import HOUR_MS, HourCount, hour_of, zone_hours
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.flow import Changed
from community_flow.ports.statistics import Due, FootfallStore

FRESH_MS = 60_000
"""Counts this young are shown as they are, unless the fold touched them."""


class Footfall:
    def __init__(self, db: Database, store: FootfallStore, clock: Clock) -> None:
        self.db, self.store, self.clock = db, store, clock

    def folded(self, tx: Transaction, changed: Changed) -> None:
        """Hook of the fold: note the earliest moment that changed."""
        rows = (changed.removed, changed.added)
        moments = [passage.at_ms for each in rows for passage in each.passages]
        moments += [visit.entered_ms for each in rows for visit in each.visits]
        moments += [each.row.at_ms for each in (*changed.ledger_removed, *changed.ledger_added)]
        if moments:
            self.touched(tx, changed.community, min(moments))

    def touched(self, tx: Transaction, community: str, from_ms: int) -> None:
        """Something changed from this moment on. One row a community, so that it costs a fold next to nothing."""
        due = self.store.due(tx, community)
        start_ms = hour_of(from_ms)
        if due is None:
            self.store.set_due(tx, community, Due(start_ms, 0))
        elif due.counted_ms or start_ms < due.from_ms:
            self.store.set_due(tx, community, Due(min(start_ms, due.from_ms), 0))

    def fresh(self, tx: Transaction, community: str) -> int | None:
        """The time of the counts while they may be shown as they are, else None."""
        due = self.store.due(tx, community)
        young = due is not None and bool(due.counted_ms) and self.clock.now_ms() - due.counted_ms < FRESH_MS
        return due.counted_ms if due and young else None

    def refresh(self, tx: Transaction, community: str) -> int:
        """Count what is due; gives the time the counts are of.

        Everything since the first touched hour is counted again: a late entry changes who was inside in every hour
        until that person's next passage.
        """
        counted_ms = self.fresh(tx, community)
        if counted_ms is not None:
            return counted_ms
        now_ms = self.clock.now_ms()
        due = self.store.due(tx, community)
        first_ms = self.store.first_ms(tx, community)
        if first_ms is not None:
            # Never from before what is kept: those hours were counted while their visits were there.
            self._count(tx, community, max(due.from_ms if due else 0, hour_of(first_ms)), now_ms)
        return now_ms

    def rebuild(self, community: str) -> int:
        """Count every hour whose visits are still kept; older hours stay. Gives the number of rows."""
        with self.db.write() as tx:
            first_ms = self.store.first_ms(tx, community)
            return 0 if first_ms is None else self._count(tx, community, hour_of(first_ms), self.clock.now_ms())

    def add(self, rows: Sequence[HourCount]) -> None:
        """Keep hours counted elsewhere, for example from before this installation."""
        with self.db.write() as tx:
            self.store.add(tx, rows)

    def _count(self, tx: Transaction, community: str, from_ms: int, now_ms: int) -> int:
        to_ms = max(hour_of(now_ms), from_ms) + HOUR_MS
        rows = self.store.gate_hours(tx, community, from_ms, to_ms)
        for zone, stays in self.store.stays(tx, community, from_ms, to_ms).items():
            rows += zone_hours(community, zone, stays, from_ms, to_ms, min(now_ms, to_ms))
        self.store.replace(tx, community, from_ms, rows)
        self.store.set_due(tx, community, Due(hour_of(now_ms), now_ms))
        return len(rows)
