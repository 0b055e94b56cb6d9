"""The tray: reports that could not be used as they came. Looked at, mended, dismissed, taken out; never lost.

A row is settled in the transaction that keeps its report, so no crash can come between, and of two people who try
the same row the second finds it settled.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from community_flow.domain import tray_rows
from community_flow.domain.errors import Invalid, NotFound
from community_flow.domain.reports import TrayItem
from community_flow.domain.scope import Scope
from community_flow.domain.sealing import SealError
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.devices import TrayFilter, TrayRow, TrayStore
from community_flow.ports.ingest import HeldReports, Kept, Signals, Submission, Trusted
from community_flow.services.ingest import Ingest
from community_flow.services.ingest_keys import IngestKeys

PAGE = 500
SLICE = 200
"""Rows that one transaction settles: everybody else who writes waits for it on SQLite."""
DISMISS_SLICE = 2_000
BUDGET_S = 5.0
"""After this a bulk retry answers with what it did; the next call goes on from there."""


@dataclass(frozen=True)
class Retried:
    """What became of one row; ``state`` is the row's now, ``reason`` why it is still open."""

    id: int
    state: str
    reason: str | None


@dataclass(frozen=True)
class Bulk:
    """What became of many rows. ``after`` is where to go on, None when every row was tried."""

    mended: int
    still_open: int
    after: int | None
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """A row with its report as it came, without what names a person; None when its key is away."""

    row: TrayRow
    text: str | None


@dataclass(frozen=True)
class _Tried:
    """What a first look at a row says: it can be kept, be released, or stays open for ``reason``."""

    row: TrayRow
    submission: Submission | None = None
    device: Trusted | None = None
    reason: str | None = None
    detail: str | None = None


class Tray:
    def __init__(
        self, db: Database, store: TrayStore, held: HeldReports, ingest: Ingest, keys: IngestKeys, audit: AuditLog,
        signals: Signals, clock: Clock,
    ) -> None:  # fmt: skip
        self.db, self.store, self.held, self.ingest, self.keys = db, store, held, ingest, keys
        self.audit, self.signals, self.clock = audit, signals, clock

    def rows(
        self, scope: Scope, *, state: str | None = "open", reason: str | None = None, device: str | None = None,
        after: int = 0, limit: int = 100,
    ) -> list[TrayRow]:  # fmt: skip
        """Oldest first; bodies stay sealed."""
        with self.db.read() as tx:
            return self.store.rows(tx, scope, TrayFilter(state, reason, device), after=after, limit=limit)

    def count_open(self, scope: Scope) -> dict[str, int]:
        """How many wait, by reason."""
        with self.db.read() as tx:
            return self.store.count_open(tx, scope)

    def newest(self, scope: Scope) -> int:
        """Up to here somebody who reads now can have seen the tray."""
        with self.db.read() as tx:
            return self.store.newest(tx, scope)

    def look(self, scope: Scope, row_id: int) -> Opened:
        """One report as it came; the look is logged. Raises NotFound outside the scope."""
        with self.db.write() as tx:
            found = self.store.of_ids(tx, scope, [row_id])
            if not found:
                raise NotFound("There is no such report in the tray: it may have been deleted with its time.")
            self._log(tx, scope, found, "tray.look", None)
        return Opened(found[0], self._shown(found[0]))

    def retry(self, scope: Scope, ids: Sequence[int]) -> list[Retried]:
        """Try again what was mended elsewhere: a gate that exists now, a key that is back, a future that has come."""
        with self.db.read() as tx:
            rows = self.store.of_ids(tx, scope, ids)
        slices = [rows[start : start + SLICE] for start in range(0, len(rows), SLICE)]
        return [each for some in slices for each in self._retry(scope, some)]

    def retry_all(self, scope: Scope, reason: str, device: str | None = None, after: int = 0) -> Bulk:
        """Try every open row of a reason again, as many as a few seconds allow."""
        end, mended, left = time.monotonic() + BUDGET_S, 0, Counter[str]()
        while rows := self.rows(scope, reason=reason, device=device, after=after, limit=SLICE):
            found = self._retry(scope, rows)
            mended += sum(each.state == "mended" for each in found)
            left.update(each.reason or "" for each in found if each.state == "open")
            after = rows[-1].id
            if time.monotonic() > end and len(rows) == SLICE:
                return Bulk(mended, left.total(), after, dict(left))
        return Bulk(mended, left.total(), None, dict(left))

    def dismiss(self, scope: Scope, ids: Sequence[int], reason: str) -> int:
        """Close rows without using them; they stay readable. Returns how many were open."""
        why = _why(reason)
        with self.db.write() as tx:
            rows = self.store.lock_open(tx, scope, ids)
            self._settle(tx, scope, rows, "dismissed", why)
        return len(rows)

    def dismiss_all(self, scope: Scope, reason: str, up_to: int, why: str, device: str | None = None) -> int:
        """Close every open row of a reason up to the last one that was seen; later ones have not been looked at."""
        why, total = _why(why), 0
        chosen = TrayFilter("open", reason, device)
        while True:
            with self.db.write() as tx:
                rows = self.store.settle_all(
                    tx, scope, chosen, up_to, "dismissed", self.clock.now_ms(), scope.account, DISMISS_SLICE
                )
                self._log_many(tx, scope, rows, reason, "tray.dismissed", why)
            total += sum(rows.values())
            if sum(rows.values()) < DISMISS_SLICE:
                return total

    def export(self, scope: Scope) -> Iterator[TrayRow]:
        """Every row, settled ones too, with its sealed body."""
        after = 0
        while rows := self.rows(scope, state=None, after=after, limit=PAGE):
            yield from rows
            after = rows[-1].id

    # --- one slice ------------------------------------------------------------------------------------------------

    def _retry(self, scope: Scope, rows: Sequence[TrayRow]) -> list[Retried]:
        """Labels are looked up first; then, in one transaction, what is still open is kept and settled."""
        tried = self._try_all(rows)
        told: list[tuple[Trusted, Kept]] = []
        with self.db.write() as tx:
            ids = [row.id for row in rows]
            still_open = {row.id for row in self.store.lock_open(tx, scope, ids)}
            now = {row.id: row.state for row in self.store.of_ids(tx, scope, ids)}
            # Devices are locked in one order everywhere, or we and whoever takes reports in would wait for each other.
            ordered = sorted(tried, key=lambda each: each.row.device)
            done = {each.row.id: self._finish(tx, each, told) for each in ordered if each.row.id in still_open}
            found: list[TrayRow | _Tried | Retried] = [
                done.get(row.id) or Retried(row.id, now.get(row.id, row.state), row.reason) for row in rows
            ]
            moved = [each for each in found if isinstance(each, _Tried)]
            mended = [each for each in found if isinstance(each, TrayRow)]
            self.store.restate(tx, [(each.row.id, each.reason or "", each.detail or "") for each in moved])
            self._settle(tx, scope, mended, "mended", None)
        for device, kept in told:
            self.ingest.told(device, kept)
        for community in {row.community for row in mended}:
            self.signals.wake(community)
        return [_result(each) for each in found]

    def _try_all(self, rows: Sequence[TrayRow]) -> list[_Tried]:
        devices: dict[tuple[str, str], Trusted | None] = {}
        with self.db.read() as tx:
            for key in {(row.device, row.community) for row in rows}:
                devices[key] = self.ingest.trust.of_device(tx, *key, even_revoked=True)
        return [self._try(row, devices[row.device, row.community]) for row in rows]

    def _try(self, row: TrayRow, device: Trusted | None) -> _Tried:
        if row.state != "open" or row.reason in tray_rows.FINAL:
            return _Tried(row, reason=row.reason, detail=row.detail)
        if row.body is None:
            waits = row.reason == "server_clock" and not self.ingest.knows_time()
            return _Tried(row, reason=row.reason, detail=row.detail) if waits else _Tried(row)
        if device is None:
            return _Tried(row, reason="unknown_device", detail="This device is not enrolled here: restore it, retry.")
        try:
            again = self.ingest.again(device, self.keys.open(row.body))
        except SealError as error:
            return _Tried(row, reason="seal", detail=str(error)[:500])
        if isinstance(again, TrayItem):
            return _Tried(row, reason=again.reason, detail=again.detail)
        return _Tried(row, again, device)

    def _finish(self, tx: Transaction, tried: _Tried, told: list[tuple[Trusted, Kept]]) -> TrayRow | _Tried:
        """The row when its report takes part now, else why it still does not."""
        row = tried.row
        if tried.reason is not None:
            return tried
        if tried.submission is None or tried.device is None:
            return self._release(tx, row)
        kept = self.ingest.keep_again(tx, tried.submission)
        told.append((tried.device, kept))
        outcome = kept.outcomes[0]
        if outcome.outcome in ("accepted", "duplicate"):
            return row
        return _Tried(row, reason="conflict", detail="This number was kept with other content meanwhile.")

    def _release(self, tx: Transaction, row: TrayRow) -> TrayRow | _Tried:
        report = self.held.release(tx, (row.device, row.boot, row.seq))
        if report is None:
            return _Tried(row, reason="past_retention", detail="Its time is past: the report was deleted.")
        self.held.mark(tx, report)
        return row

    # --- notes ----------------------------------------------------------------------------------------------------

    def _shown(self, row: TrayRow) -> str | None:
        if row.body is None:
            return None
        try:
            return tray_rows.without_names(json.loads(self.keys.open(row.body)))
        except SealError:
            return None

    def _settle(self, tx: Transaction, scope: Scope, rows: Sequence[TrayRow], state: str, why: str | None) -> None:
        self.store.settle(tx, [row.id for row in rows], state, self.clock.now_ms(), scope.account)
        self._log(tx, scope, rows, f"tray.{state}", why)

    def _log(self, tx: Transaction, scope: Scope, rows: Sequence[TrayRow], action: str, why: str | None) -> None:
        looks = [
            Look(
                account=scope.account, role=str(scope.role), action=action, community=row.community,
                subject=f"{row.device}:{row.boot}:{row.seq}", purpose=why,
            )
            for row in rows
        ]  # fmt: skip
        self.audit.append(tx, *looks)

    def _log_many(
        self, tx: Transaction, scope: Scope, rows: dict[str, int], reason: str, action: str, why: str
    ) -> None:
        looks = [
            Look(
                account=scope.account, role=str(scope.role), action=action, community=community, purpose=why,
                detail={"reason": reason, "rows": count},
            )
            for community, count in sorted(rows.items())
        ]  # fmt: skip
        self.audit.append(tx, *looks)


def _why(reason: str) -> str:
    if not reason.strip():
        raise Invalid("Say in a few words why this may be left aside.", field="reason")
    return reason.strip()


def _result(found: TrayRow | _Tried | Retried) -> Retried:
    if isinstance(found, Retried):
        return found
    if isinstance(found, _Tried):
        return Retried(found.row.id, "open", found.reason)
    return Retried(found.id, "mended", None)
