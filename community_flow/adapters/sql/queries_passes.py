"""Reading and writing the table of passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, Row, select, update

from community_flow.adapters.sql.driver import batched
from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.queries_registry import CHUNK
from community_flow.adapters.sql.store import insert_ignore
from community_flow.adapters.sql.tables_registry import passes
from community_flow.domain.scope import Scope
from community_flow.ports.passes import PassRow


class SqlPasses:
    def add(self, tx: Connection, rows: Sequence[PassRow]) -> int:
        # Drivers do not count inserted rows alike (psycopg says -1), so count what stands there before and after.
        ids = [row.pass_id for row in rows]
        before = self._count(tx, ids)
        insert_ignore(tx, passes, [asdict(row) for row in rows])
        return self._count(tx, ids) - before

    def of_ids(self, tx: Connection, scope: Scope, pass_ids: Sequence[str]) -> dict[str, PassRow]:
        found = {}
        for chunk in batched(pass_ids, CHUNK):
            mine = select(passes).where(within(passes.c.community, scope), passes.c.pass_id.in_(chunk))
            found.update({row.pass_id: _typed(row) for row in tx.execute(mine)})
        return found

    def of_keys(self, tx: Connection, scope: Scope, public_keys: Sequence[bytes]) -> list[PassRow]:
        found = []
        for chunk in batched(public_keys, CHUNK):
            mine = select(passes).where(within(passes.c.community, scope), passes.c.public_key.in_(chunk))
            found += [_typed(row) for row in tx.execute(mine.order_by(passes.c.pass_id))]
        return found

    def changed(self, tx: Connection, pass_ids: Sequence[str], now_ms: int) -> None:
        for chunk in batched(pass_ids, CHUNK):
            tx.execute(update(passes).where(passes.c.pass_id.in_(chunk)).values(changed_ms=now_ms))

    def codes_taken(self, tx: Connection, community: str, codes: Sequence[str]) -> set[str]:
        taken: set[str] = set()
        for chunk in batched(codes, CHUNK):
            mine = select(passes.c.short_code).where(passes.c.community == community, passes.c.short_code.in_(chunk))
            taken.update(tx.execute(mine).scalars())
        return taken

    def by_short_code(self, tx: Connection, scope: Scope, code: str) -> PassRow | None:
        row = tx.execute(select(passes).where(within(passes.c.community, scope), passes.c.short_code == code)).first()
        return None if row is None else _typed(row)

    def _count(self, tx: Connection, ids: Sequence[str]) -> int:
        return sum(
            len(tx.execute(select(passes.c.pass_id).where(passes.c.pass_id.in_(chunk))).all())
            for chunk in batched(ids, CHUNK)
        )


def _typed(row: Row[tuple[object, ...]]) -> PassRow:
    fields = dict(row._mapping)
    for name in ("ref", "sealed_handle", "public_key"):
        fields[name] = None if fields[name] is None else bytes(fields[name])
    return PassRow(**fields)
