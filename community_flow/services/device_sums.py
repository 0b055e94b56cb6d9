"""Finds devices whose counters differ from what arrived of them: something was lost, or came twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from community_flow.domain.device_sums import arrived_between, differences
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.device_sums import BootSums, DeviceSumsStore, Moved, Told
from community_flow.ports.ingest import Signals

log = structlog.get_logger()

LOOK_EVERY_S = 20.0
HEARD_MS = 120_000
"""How far back a device was heard that is looked at again: more than a round, however slow one was."""
SURE_MS = 50_000
"""A later status must say the same: aggregates come after the statuses before which they belong."""
AGAIN_MS = 10 * 60_000
"""What is known to differ is read again from its beginning, so not with every status."""
SPARE_MS = 24 * 3_600_000


class DeviceSums:
    """``horizon_ms`` is for how long reports of a community are kept."""

    def __init__(
        self, db: Database, store: DeviceSumsStore, horizon_ms: Callable[[Transaction, str], int], signals: Signals,
        clock: Clock,
    ) -> None:  # fmt: skip
        self.db, self.store, self.horizon_ms, self.signals, self.clock = db, store, horizon_ms, signals, clock
        self._looked_ms = 0

    def start(self) -> None:
        threading.Thread(target=self._watch, name="device sums", daemon=True).start()

    def step(self) -> int:
        """Compare what has come since the last look; how many starts of devices were looked at."""
        now_ms = self.clock.now_ms()
        with self.db.read() as tx:
            moved = self.store.moved(tx, max(0, self._looked_ms - HEARD_MS))
            rows = [self._compared(tx, each, now_ms) for each in moved]
        self._keep([(each.sums, row) for each, row in zip(moved, rows, strict=True) if each.sums != row])
        self._looked_ms = now_ms
        return len(moved)

    def _keep(self, changed: Sequence[tuple[BootSums, BootSums]]) -> None:
        if not changed:
            return
        with self.db.write() as tx:
            self.store.put(tx, [after for _, after in changed])
        for community in {after.community for before, after in changed if before.since_ms != after.since_ms}:
            self.signals.bump(community)

    def _compared(self, tx: Transaction, moved: Moved, now_ms: int) -> BootSums:
        sums = replace(moved.sums, highest=moved.highest)
        told = self.store.newest_status(tx, sums.device, sums.boot, moved.sums.highest)
        if told is None or not told.counters:
            return sums
        if sums.base is None and self._began_before_what_is_kept(tx, sums, now_ms):
            return replace(sums, base=told, last=told)
        if sums.since_ms is not None and sums.last is not None and told.t_ms < sums.last.t_ms + AGAIN_MS:
            return sums
        return self._judged(tx, sums, told, now_ms)

    def _judged(self, tx: Transaction, sums: BootSums, told: Told, now_ms: int) -> BootSums:
        base = sums.base or Told(0, 0, {})
        arrived = self._arrived(tx, sums, base.seq, told.seq)
        if arrived is None:
            return sums
        differs = differences(told.counters, base.counters, arrived, sums.carried)
        if differs == sums.carried:
            sums = replace(sums, base=told)
        elif sums.base and base.t_ms < self._soon_gone_ms(tx, sums, now_ms):
            sums = replace(sums, base=told, carried=differs)  # before its first reports are deleted
        first_ms, since_ms = _since(sums, told, base) if differs else (None, None)
        return replace(sums, last=told, differs=differs, first_ms=first_ms, since_ms=since_ms)

    def _arrived(self, tx: Transaction, sums: BootSums, after: int, before: int) -> Mapping[str, int] | None:
        """Sums between two statuses; None when that cannot be told. Report by report only where aggregates are."""
        aggregates = [each for each in self.store.aggregates(tx, sums.device, sums.boot) if each.to_seq > after]
        if not aggregates:
            return self.store.sums(tx, sums.device, sums.boot, (after + 1, before - 1))
        first = min(after + 1, *(each.from_seq for each in aggregates))
        reports = self.store.reports(tx, sums.device, sums.boot, (first, before))
        return arrived_between(after, before, reports, aggregates)

    def _began_before_what_is_kept(self, tx: Transaction, sums: BootSums, now_ms: int) -> bool:
        seq, t_ms = self.store.first(tx, sums.device, sums.boot)
        return seq > 1 and t_ms < self._soon_gone_ms(tx, sums, now_ms)

    def _soon_gone_ms(self, tx: Transaction, sums: BootSums, now_ms: int) -> int:
        return now_ms - self.horizon_ms(tx, sums.community) + SPARE_MS

    def _watch(self) -> None:
        rest = threading.Event()
        while True:
            rest.wait(LOOK_EVERY_S)
            try:
                self.step()
            except Exception:  # the thread's outermost loop: the next look sees the same
                log.exception("counters of devices could not be compared")


def _since(sums: BootSums, told: Told, base: Told) -> tuple[int, int | None]:
    first_ms = told.t_ms if sums.first_ms is None else sums.first_ms
    sure = sums.since_ms is not None or told.t_ms >= first_ms + SURE_MS
    return first_ms, (sums.since_ms or base.t_ms or first_ms) if sure else None
