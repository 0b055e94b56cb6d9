"""What devices told of their counters, and what arrived."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, or_, select, update

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_device_sums import device_sums
from community_flow.adapters.sql.tables_flow import replacements
from community_flow.adapters.sql.tables_ingest import device_status, reports, through
from community_flow.domain.device_sums import Aggregate, Arrived, counter_name
from community_flow.domain.scope import Scope
from community_flow.ports.device_sums import BootSums, Differs, Moved, Told

_COMPARED = ("count", "scan", "visitor", "reading")
_sums, _r = device_sums.c, reports.c


class SqlDeviceSums:
    def moved(self, tx: Connection, heard_ms: int) -> list[Moved]:
        same = and_(_sums.device == through.c.device, _sums.boot == through.c.boot)
        more = or_(_sums.highest.is_(None), _sums.highest < through.c.highest, _sums.first_ms.is_not(None))
        query = (
            select(
                through.c.device, through.c.boot, device_status.c.community, through.c.highest.label("now"),
                *(column for column in _sums if column.name not in ("device", "boot", "community")),
            )
            .join(device_status, device_status.c.device == through.c.device)
            .outerjoin(device_sums, same)
            .where(device_status.c.last_ms >= heard_ms, more)
            .order_by(through.c.device, through.c.boot)
        )  # fmt: skip
        return [Moved(_row(found := dict(row._mapping)), found["now"]) for row in tx.execute(query)]

    def newest_status(self, tx: Connection, device: str, boot: int, after_seq: int) -> Told | None:
        mine = and_(_r.device == device, _r.boot == boot, _r.seq > after_seq, _r.kind == "status")
        row = tx.execute(select(_r.seq, _r.t_ms, _r.body).where(mine).order_by(_r.seq.desc()).limit(1)).first()
        if row is None:
            return None
        said = msgspec.json.decode(row.body) if row.body else {}
        return Told(row.seq, row.t_ms, said.get("counters") or {})

    def first(self, tx: Connection, device: str, boot: int) -> tuple[int, int]:
        mine = and_(_r.device == device, _r.boot == boot)
        row = tx.execute(select(_r.seq, _r.t_ms).where(mine).order_by(_r.seq).limit(1)).one()
        return row.seq, row.t_ms

    def aggregates(self, tx: Connection, device: str, boot: int) -> list[Aggregate]:
        own = and_(_r.device == device, _r.boot == boot, _r.from_ms.is_not(None), _r.body.is_not(None))
        rows = tx.execute(select(_r.gate, _r.direction, _r.n, _r.body).where(own))
        spans = [(row, msgspec.json.decode(row.body).get("replaces")) for row in rows]
        found = [
            Aggregate(row.gate, row.direction, row.n, span["from"], span["to"])
            for row, span in spans
            if span and span["boot"] == boot
        ]
        return found + self._of_other_boots(tx, device, boot)

    def _of_other_boots(self, tx: Connection, device: str, boot: int) -> list[Aggregate]:
        """As the fold noted them: to read every later start for it would take too long."""
        c = replacements.c
        same = and_(_r.device == c.device, _r.boot == c.by_boot, _r.seq == c.by_seq)
        query = select(c.gate, c.direction, _r.n, c.from_seq, c.to_seq).join(reports, same)
        rows = tx.execute(query.where(c.device == device, c.boot == boot, c.by_boot != boot))
        return [Aggregate(*row) for row in rows]

    def sums(self, tx: Connection, device: str, boot: int, span: tuple[int, int]) -> Counter[str]:
        mine = and_(_r.device == device, _r.boot == boot, _r.seq.between(*span), _r.kind.in_(_COMPARED))
        stands_for_others = and_(_r.from_ms.is_not(None), func.coalesce(_r.body, "").contains('"replaces"'))
        query = select(_r.kind, _r.direction, func.count(), func.sum(_r.n)).where(mine, ~stands_for_others)
        found: Counter[str] = Counter()
        for kind, direction, rows, bodies in tx.execute(query.group_by(_r.kind, _r.direction)):
            found[counter_name(kind, direction)] += int(bodies or 0) if kind == "count" else rows
        return found

    def reports(self, tx: Connection, device: str, boot: int, span: tuple[int, int]) -> Sequence[Arrived]:
        mine = and_(_r.device == device, _r.boot == boot, _r.seq.between(*span), _r.kind.in_(_COMPARED))
        rows = tx.execute(select(_r.seq, _r.kind, _r.gate, _r.direction, _r.n, _r.from_ms, _r.body).where(mine))
        return [Arrived(*row[:5]) for row in rows if not _stands_for_others(row)]

    def put(self, tx: Connection, rows: Sequence[BootSums]) -> None:
        upsert(tx, device_sums, [msgspec.to_builtins(each) for each in rows], ("device", "boot"))

    def accept(self, tx: Connection, scope: Scope, device: str) -> None:
        mine = and_(within(_sums.community, scope), _sums.device == device, _sums.since_ms.is_not(None))
        tx.execute(
            update(device_sums).where(mine).values(
                base=_sums.last, carried={}, differs={}, first_ms=None, since_ms=None
            )
        )  # fmt: skip

    def differing(self, tx: Connection, scope: Scope) -> dict[str, Differs]:
        query = select(_sums.device, _sums.since_ms, _sums.differs).where(
            within(_sums.community, scope), _sums.since_ms.is_not(None)
        )
        found: dict[str, Differs] = {}
        for device, since_ms, more in tx.execute(query):
            before = found.get(device, Differs(since_ms, {}))
            sums = Counter(before.more)
            sums.update(more)
            found[device] = Differs(min(since_ms, before.since_ms), dict(sums))
        return found


def _row(found: dict[str, Any]) -> BootSums:
    mine = {each.name: found[each.name] for each in fields(BootSums) if found[each.name] is not None}
    return msgspec.convert(mine, BootSums)


def _stands_for_others(row: Any) -> bool:
    return row.from_ms is not None and row.body is not None and "replaces" in msgspec.json.decode(row.body)
