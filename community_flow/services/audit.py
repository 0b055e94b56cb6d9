"""The hash-chained log of who did and saw what. A row that was altered, dropped or moved breaks the chain."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec

from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditRow, AuditStore, Look

START = b"\0" * 32
PAGE = 1000


@dataclass(frozen=True)
class Verified:
    """Result of a check: ``broken_at`` is the first row that does not follow from the one before."""

    rows: int
    broken_at: int | None


class Audit:
    def __init__(self, db: Database, store: AuditStore, key: bytes, clock: Clock) -> None:
        self.db, self.store, self._key, self.clock = db, store, key, clock

    def append(self, tx: Transaction, *looks: Look) -> None:
        """Log in the caller's transaction: what is shown and that it was shown commit together."""
        number, chain = self.store.last(tx)
        now_ms = self.clock.now_ms()
        rows = []
        for look in looks:
            number += 1
            row = AuditRow(
                number, now_ms, look.account, look.role, look.community, look.action,
                look.person, look.subject, look.purpose, dict(look.detail), b"",
            )  # fmt: skip
            chain = self._link(chain, row)
            rows.append(replace(row, chain=chain))
        self.store.add(tx, rows)

    def verify(self) -> Verified:
        """Walk the whole chain."""
        previous, count, expected = START, 0, 1
        for row in self._all():
            if row.number != expected or not hmac.compare_digest(row.chain, self._link(previous, row)):
                return Verified(count, row.number)
            previous, count, expected = row.chain, count + 1, expected + 1
        return Verified(count, None)

    def latest(self, scope: Scope, *, before: int | None, limit: int, person: str | None = None) -> list[AuditRow]:
        """Newest first. For a resident: the rows about that person and nothing else."""
        with self.db.read() as tx:
            return self.store.latest(tx, scope, before=before, limit=limit, person=person)

    def _all(self) -> Iterator[AuditRow]:
        after = 0
        while True:
            with self.db.read() as tx:
                rows = self.store.rows(tx, after, PAGE)
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1].number

    def _link(self, previous: bytes, row: AuditRow) -> bytes:
        fields = [
            row.number, row.at_ms, row.account, row.role, row.community, row.action,
            row.person, row.subject, row.purpose, row.detail,
        ]  # fmt: skip
        return hmac.new(self._key, previous + msgspec.json.encode(fields, order="sorted"), sha256).digest()
