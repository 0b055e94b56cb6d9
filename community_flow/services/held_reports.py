"""Lets held reports take part once what held them is over: their time has come, or the server's clock is right."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from community_flow.domain import tray_rows
from community_flow.domain.reports import HOLDS
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.devices import HeldRow, TrayStore
from community_flow.ports.ingest import HeldReports, Signals

log = structlog.get_logger()

LOOK_EVERY_S = 20.0
SLICE = 500
SOON_MS = 10 * 60_000
RECENT_MS = tray_rows.LET_GO_MS + SOON_MS
"""After the first look only these can come due: what is further ahead waits for a person."""


class LettingGo:
    def __init__(
        self, db: Database, store: TrayStore, reports: HeldReports, horizon_ms: Callable[[Transaction, str], int],
        audit: AuditLog, signals: Signals, clock: Clock, knows_time: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.db, self.store, self.reports, self.horizon_ms = db, store, reports, horizon_ms
        self.audit, self.signals, self.clock, self.knows_time = audit, signals, clock, knows_time
        self._first = True

    def start(self) -> None:
        threading.Thread(target=self._watch, name="held", daemon=True).start()

    def step(self) -> int:
        """Look once at what is held; gives how many take part now. Nothing while the time is not known."""
        if not self.knows_time():
            return 0
        since_ms = 0 if self._first else self.clock.now_ms() - RECENT_MS
        released = self._all("server_clock", 0) + self._all("future", since_ms)
        self._first = False
        return released

    def _all(self, reason: str, since_ms: int) -> int:
        after, released = 0, 0
        while True:
            with self.db.write() as tx:
                rows = self.store.held(tx, reason, since_ms, after, SLICE)
                due = self._due(tx, rows)
                self._release(tx, due)
            for community in {row.community for row in due}:
                self.signals.wake(community)
            released += len(due)
            if len(rows) < SLICE:
                return released
            after = rows[-1].id

    def _due(self, tx: Transaction, rows: Sequence[HeldRow]) -> list[HeldRow]:
        """Those that may take part now. What waited for the clock and is too early or too old says so from now on."""
        now_ms = self.clock.now_ms()
        oldest_ms = {name: now_ms - self.horizon_ms(tx, name) for name in {row.community for row in rows}}
        waited = [row for row in rows if row.reason == "server_clock"]
        early = {row.id for row in waited if row.t_ms > now_ms + SOON_MS}
        old = {row.id for row in rows if row.t_ms < oldest_ms[row.community]}
        self.store.restate(tx, [(each, "future", HOLDS["future"]) for each in sorted(early)])
        self.store.restate(tx, [(each, "past_retention", "It is older than what is kept.") for each in sorted(old)])
        return [
            row for row in rows
            if row.id not in early | old
            and tray_rows.lets_itself_go(row.reason, row.t_ms, row.received_ms, now_ms)
        ]  # fmt: skip

    def _release(self, tx: Transaction, due: Sequence[HeldRow]) -> None:
        everywhere = Scope.system({row.community for row in due})
        still_open = {row.id for row in self.store.lock_open(tx, everywhere, [row.id for row in due])}
        mine = [row for row in due if row.id in still_open]
        for row in mine:
            report = self.reports.release(tx, (row.device, row.boot, row.seq))
            if report is not None:
                self.reports.mark(tx, report)
        self.store.settle(tx, [row.id for row in mine], "mended", self.clock.now_ms(), "system")
        counts = Counter((row.community, row.reason) for row in mine)
        looks = [
            Look(account="system", role="", action="tray.released", community=community,
                 detail={"reason": reason, "rows": count})
            for (community, reason), count in sorted(counts.items())
        ]  # fmt: skip
        self.audit.append(tx, *looks)

    def _watch(self) -> None:
        rest = threading.Event()
        while True:
            rest.wait(LOOK_EVERY_S)
            try:
                self.step()
            except Exception:  # the thread's outermost loop: what is held waits for the next look
                log.exception("held reports could not be looked at")
