"""The tray: reports that could not be used as they came. Looked at, mended, dismissed, taken out; never lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from community_flow.domain.errors import Invalid
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.devices import TrayRow, TrayStore
from community_flow.ports.ingest import HeldReports, Signals
from community_flow.services.ingest import Ingest
from community_flow.services.ingest_keys import IngestKeys

FINAL = ("conflict", "past_retention")
"""Nothing that is mended elsewhere makes these usable: they are looked at and dismissed."""

PAGE = 500


@dataclass(frozen=True)
class Retried:
    """What became of one row; ``state`` is the row's now, ``reason`` why it is still open."""

    id: int
    state: str
    reason: str | None


class Tray:
    def __init__(
        self,
        db: Database,
        store: TrayStore,
        held: HeldReports,
        ingest: Ingest,
        keys: IngestKeys,
        audit: AuditLog,
        signals: Signals,
        clock: Clock,
    ) -> None:
        self.db, self.store, self.held, self.ingest, self.keys = db, store, held, ingest, keys
        self.audit, self.signals, self.clock = audit, signals, clock

    def rows(
        self, scope: Scope, *, state: str | None = "open", reason: str | None = None, after: int = 0, limit: int = 100
    ) -> list[TrayRow]:
        """Oldest first; bodies stay sealed."""
        with self.db.read() as tx:
            return self.store.rows(tx, scope, state=state, reason=reason, after=after, limit=limit)

    def count_open(self, scope: Scope) -> dict[str, int]:
        """How many wait, by reason."""
        with self.db.read() as tx:
            return self.store.count_open(tx, scope)

    def retry(self, scope: Scope, ids: Sequence[int]) -> list[Retried]:
        """Try again what was mended elsewhere: a gate that exists now, a key that is back, a future that has come."""
        with self.db.read() as tx:
            rows = self.store.of_ids(tx, scope, ids)
        return [self._retry(scope, row) for row in rows]

    def dismiss(self, scope: Scope, ids: Sequence[int], reason: str) -> int:
        """Close rows without using them; they stay readable. Returns how many were open."""
        if not reason.strip():
            raise Invalid("Say in a few words why this may be left aside.", field="reason")
        with self.db.write() as tx:
            rows = [row for row in self.store.of_ids(tx, scope, ids) if row.state == "open"]
            self._settle(tx, scope, rows, "dismissed", reason)
        return len(rows)

    def export(self, scope: Scope) -> Iterator[TrayRow]:
        """Every row, settled ones too, with its sealed body."""
        after = 0
        while rows := self.rows(scope, state=None, after=after, limit=PAGE):
            yield from rows
            after = rows[-1].id

    def _retry(self, scope: Scope, row: TrayRow) -> Retried:
        if row.state != "open" or row.reason in FINAL:
            return Retried(row.id, row.state, row.reason)
        if row.reason == "future":
            return self._release(scope, row)
        with self.db.read() as tx:
            device = self.ingest.trust.of_device(tx, row.device, row.community, even_revoked=True)
        if device is None or row.body is None:
            return Retried(row.id, "open", "unknown_device")
        outcome = self.ingest.retry(device, self.keys.open(row.body))
        if outcome.outcome not in ("accepted", "duplicate"):
            return Retried(row.id, "open", outcome.reason)
        with self.db.write() as tx:
            self._settle(tx, scope, [row], "mended", None)
        return Retried(row.id, "mended", None)

    def _release(self, scope: Scope, row: TrayRow) -> Retried:
        with self.db.write() as tx:
            report = self.held.release(tx, (row.device, row.boot, row.seq))
            if report is not None:
                self.held.mark(tx, report)
            self._settle(tx, scope, [row], "mended", None)
        self.signals.wake(row.community)
        return Retried(row.id, "mended", None)

    def _settle(self, tx: Transaction, scope: Scope, rows: Sequence[TrayRow], state: str, why: str | None) -> None:
        self.store.settle(tx, [row.id for row in rows], state, self.clock.now_ms(), scope.account)
        looks = [
            Look(
                account=scope.account, role=str(scope.role), action=f"tray.{state}", community=row.community,
                subject=f"{row.device}:{row.boot}:{row.seq}", purpose=why,
            )
            for row in rows
        ]  # fmt: skip
        self.audit.append(tx, *looks)
