"""Checkpoints and deletion."""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, func, select

from community_flow.adapters.sql.store import insert_ignore
from community_flow.adapters.sql.tables_flow import passages
from community_flow.adapters.sql.tables_ingest import COUNTED, reports, tray
from community_flow.adapters.sql.tables_registry import data_requests
from community_flow.adapters.sql.tables_retention import checkpoints
from community_flow.adapters.sql.tables_review import anomalies, verdicts


class SqlRetention:
    def checkpoint(self, tx: Connection, community: str, before: bytes, since: bytes) -> int:
        tx.execute(delete(checkpoints).where(checkpoints.c.community == community))
        p = passages.c
        old = and_(p.community == community, p.key < before, p.key >= since, p.subject.not_like("r:%"))
        # PostgreSQL has no max() of bytes: number each subject's passages from the newest instead.
        place = func.row_number().over(partition_by=p.subject, order_by=p.key.desc()).label("place")
        ranked = select(p.subject, p.key, p.evidence, place).where(old).subquery()
        rows = tx.execute(select(ranked.c.subject, ranked.c.key, ranked.c.evidence).where(ranked.c.place == 1)).all()
        kept = [
            {"community": community, "subject": row.subject, "key": row.key, "device": device, "boot": boot, "seq": seq}
            for row in rows
            for device, boot, seq in row.evidence
        ]
        insert_ignore(tx, checkpoints, kept)
        return len(rows)

    def delete_reports(self, tx: Connection, community: str, before_ms: int) -> int:
        c, r = checkpoints.c, reports.c
        needed = select(c.seq).where(c.device == r.device, c.boot == r.boot, c.seq == r.seq).exists()
        old = and_(r.community == community, r.t_ms < before_ms, ~needed)
        # Each part by the index of times that holds it.
        return sum(tx.execute(delete(reports).where(old, which)).rowcount for which in (COUNTED, ~COUNTED))

    def delete_settled(self, tx: Connection, community: str, before_ms: int, anomalies_before_ms: int) -> int:
        old_tray = and_(tray.c.community == community, tray.c.state != "open", tray.c.received_ms < before_ms)
        gone = tx.execute(delete(tray).where(old_tray)).rowcount
        old = and_(anomalies.c.community == community, anomalies.c.to_ms < anomalies_before_ms)
        names = select(anomalies.c.id).where(old)
        tx.execute(delete(verdicts).where(verdicts.c.anomaly.in_(names)))
        return gone + tx.execute(delete(anomalies).where(old)).rowcount

    def delete_requests(self, tx: Connection, community: str, before_ms: int) -> int:
        c = data_requests.c
        return tx.execute(delete(data_requests).where(c.community == community, c.settled_ms < before_ms)).rowcount
