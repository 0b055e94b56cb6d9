"""What is older than the horizon goes: reports and everything derived from them.

Of each subject the last passage before the horizon stays, with its reports: it says who is inside who came earlier, and
the fold goes on from the state before it. It goes when a newer one takes its place, or after 60 days. Requests to the
office go two years after their answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from community_flow.domain.errors import Conflict
from community_flow.domain.local_days import DAY_MS, LocalDays, local_days
from community_flow.domain.passages import key_at
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.retention import RetentionStore
from community_flow.services.flow import Flow

log = structlog.get_logger()

CHECKPOINT_DAYS = 60
REQUEST_DAYS = 2 * 365
"""As long as the log of who looked: what was asked and answered can be shown that long."""

SPARE_DAYS = 1
"""Ingest takes reports up to the horizon; deletion stays a day behind it, so that no deleted report can come again."""
LOOK_EVERY_S = 600.0


@dataclass(frozen=True)
class Cleared:
    community: str
    horizon_ms: int
    reports: int
    settled: int
    checkpoints: int


class Retention:
    """``days_kept`` says how many days of a community are kept now: more while an order is in force.

    ``refuse`` raises while the server's clock is in doubt: then nothing may be called old.
    ``count_first`` takes into the hourly counts, which are kept for two years, what is about to go.
    """

    def __init__(
        self, db: Database, store: RetentionStore, flow: Flow, days_kept: Callable[[Transaction, str], int],
        count_first: Callable[[Transaction, str], object], audit: AuditLog, clock: Clock,
        refuse: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.db, self.store, self.flow = db, store, flow
        self.days_kept, self.count_first = days_kept, count_first
        self.audit, self.clock, self.refuse = audit, clock, refuse
        self._done: dict[str, int] = {}

    def run(self, community: str) -> Cleared:
        """Delete what is due, and derive the rest again in the same transaction. Safe to repeat."""
        self.refuse()
        self.flow.drain(community)
        with self.db.write() as tx:
            horizon_ms = self._horizon_ms(tx, community)
            self.count_first(tx, community)
            now_ms = self.clock.now_ms()
            since_ms = now_ms - CHECKPOINT_DAYS * DAY_MS
            kept = self.store.checkpoint(tx, community, key_at(horizon_ms), key_at(since_ms))
            reports = self.store.delete_reports(tx, community, horizon_ms)
            settled = self.store.delete_settled(tx, community, horizon_ms, since_ms)
            settled += self.store.delete_requests(tx, community, now_ms - REQUEST_DAYS * DAY_MS)
            if reports:
                self.flow.rebuild(tx, community)
            cleared = Cleared(community, horizon_ms, reports, settled, kept)
            self._log(tx, cleared)
        return cleared

    def due(self, communities: Iterable[str]) -> list[Cleared]:
        """Once a day and community, when its own day has changed."""
        found = []
        for community in communities:
            with self.db.read() as tx:
                today = self._days(tx, community).day(self.clock.now_ms())
            if self._done.get(community) != today:
                found.append(self.run(community))
                self._done[community] = today
        return found

    def watch(self, communities: Callable[[], list[str]]) -> None:
        """A thread that runs what is due."""
        threading.Thread(target=self._watch, args=(communities,), name="retention", daemon=True).start()

    def _watch(self, communities: Callable[[], list[str]]) -> None:
        while True:
            # The first look waits too: a server that starts has better things to do.
            time.sleep(LOOK_EVERY_S)
            try:
                self.due(communities())
            except Conflict as refused:
                log.warning("retention refused", why=refused.remedy)
            except Exception:  # the thread's outermost loop: tomorrow is another day
                log.exception("retention failed")

    def _horizon_ms(self, tx: Transaction, community: str) -> int:
        local = self._days(tx, community)
        keep = self.days_kept(tx, community) + SPARE_DAYS
        return local.start_ms(local.day(self.clock.now_ms()) - keep)

    def _days(self, tx: Transaction, community: str) -> LocalDays:
        data = self.flow.rules(tx, community).journal.at("community", community, 2**52)
        return local_days(data.timezone, data.cutoff_hour)

    def _log(self, tx: Transaction, cleared: Cleared) -> None:
        if cleared.reports or cleared.settled:
            detail = {"reports": cleared.reports, "settled": cleared.settled, "horizon_ms": cleared.horizon_ms}
            self.audit.append(
                tx,
                Look(account="system", role="", action="retention.run", community=cleared.community, detail=detail),
            )
