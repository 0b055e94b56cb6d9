"""Slips by which a phone becomes somebody's pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, delete, insert, select, update

from community_flow.adapters.sql.driver import batched
from community_flow.adapters.sql.queries_registry import CHUNK
from community_flow.adapters.sql.tables_registry import pass_slips
from community_flow.ports.slips import Slip

KEPT_MS = 30 * 86_400_000
"""How long a used or expired slip is remembered, so that a second try is told from a wrong code in the tables."""


class SqlSlips:
    def add(self, tx: Connection, slips: Sequence[Slip]) -> None:
        c = pass_slips.c
        for chunk in batched(slips, CHUNK):
            persons = [each.person for each in chunk]
            tx.execute(delete(pass_slips).where(c.person.in_(persons), c.used_ms.is_(None)))
            tx.execute(delete(pass_slips).where(c.expires_ms < chunk[0].created_ms - KEPT_MS))
            tx.execute(insert(pass_slips), [asdict(each) for each in chunk])

    def use(self, tx: Connection, code_hash: bytes, now_ms: int) -> Slip | None:
        c = pass_slips.c
        good = (c.code_hash == code_hash, c.used_ms.is_(None), c.expires_ms > now_ms)
        # One statement finds and spends it, so that two phones with one slip cannot both have it.
        if tx.execute(update(pass_slips).where(*good).values(used_ms=now_ms)).rowcount != 1:
            return None
        row = tx.execute(select(pass_slips).where(c.code_hash == code_hash)).one()
        return Slip(
            code_hash=bytes(row.code_hash), community=row.community, person=row.person, created_ms=row.created_ms,
            expires_ms=row.expires_ms,
        )  # fmt: skip
