"""Reports, their one-time references and device tokens, as ingest asks for them; `keeping.py` writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict

import msgspec
from sqlalchemy import ColumnElement, Connection, select, update

from community_flow.adapters.sql.boots import Triple
from community_flow.adapters.sql.driver import Driver
from community_flow.adapters.sql.keeping import Seal, Work, digests
from community_flow.adapters.sql.keeping_at_once import keep_at_once
from community_flow.adapters.sql.tables_flow import dirty
from community_flow.adapters.sql.tables_ingest import device_tokens, references, reports
from community_flow.adapters.sql.tables_registry import passes
from community_flow.domain.marks import report_subject
from community_flow.domain.passages import report_key
from community_flow.domain.reports import KeptReport
from community_flow.ports.ingest import Kept, Reference, Submission

_STAMP = (
    "SELECT (SELECT max(number) FROM journal), count(*), count(revoked_ms), count(until_ms), max(until_ms)"
    " FROM device_tokens"
)


class SqlReports:
    """The kept reports. ``seal`` hides what lies in the tray from whoever reads the database."""

    def __init__(self, seal: Seal) -> None:
        self.seal = seal

    def keep(self, sql: Driver, submissions: Sequence[Submission], *, careful: bool) -> list[Kept]:
        return Work(sql, self.seal).keep(submissions, careful)

    def keep_with(self, tx: Connection, submissions: Sequence[Submission]) -> list[Kept]:
        return self.keep(Driver.of(tx), submissions, careful=True)

    def keep_at_once(self, line: Driver, submissions: Sequence[Submission]) -> list[Kept] | None:
        return keep_at_once(line, self.seal, submissions)

    def digests(self, tx: Connection, device: str, ids: Collection[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        wanted: dict[int, list[int]] = defaultdict(list)
        for boot, seq in ids:
            wanted[boot].append(seq)
        sql = Driver.of(tx)
        rows = ((boot, row) for boot, seqs in wanted.items() for row in digests(sql, device, boot, seqs))
        return {(boot, seq): bytes(digest) for boot, (seq, digest) in rows}

    def public_keys(self, tx: Connection, refs: Collection[bytes]) -> dict[bytes, bytes]:
        query = select(passes.c.ref, passes.c.public_key).where(
            passes.c.ref.in_(refs), passes.c.public_key.is_not(None)
        )
        return {bytes(row.ref): bytes(row.public_key) for row in tx.execute(query)} if refs else {}

    def references(self, tx: Connection, hashes: Collection[bytes]) -> dict[bytes, Reference]:
        query = select(references).where(references.c.ref_hash.in_(hashes))
        rows = tx.execute(query) if hashes else ()
        return {bytes(row.ref_hash): Reference(**{**row._mapping, "ref_hash": bytes(row.ref_hash)}) for row in rows}

    def add_reference(self, tx: Connection, reference: Reference) -> None:
        tx.execute(references.insert().values(**asdict(reference)))

    def stamp(self, tx: Connection) -> object:
        return tuple(Driver.of(tx).rows(_STAMP)[0])

    def of_token(self, tx: Connection, token_hash: bytes, now_ms: int) -> tuple[str, str] | None:
        return self._trusted(tx, device_tokens.c.token_hash == token_hash, now_ms)

    def of_name(self, tx: Connection, device: str, now_ms: int) -> tuple[str, str] | None:
        return self._trusted(tx, device_tokens.c.device == device, now_ms)

    def _trusted(self, tx: Connection, named: ColumnElement[bool], now_ms: int) -> tuple[str, str] | None:
        query = select(device_tokens.c.device, device_tokens.c.community).where(
            named,
            device_tokens.c.revoked_ms.is_(None),
            (device_tokens.c.until_ms.is_(None)) | (device_tokens.c.until_ms > now_ms),
        )
        row = tx.execute(query).first()
        return None if row is None else (row.device, row.community)

    def release(self, tx: Connection, triple: Triple) -> KeptReport | None:
        device, boot, seq = triple
        mine = (reports.c.device == device) & (reports.c.boot == boot) & (reports.c.seq == seq)
        row = tx.execute(select(reports).where(mine, reports.c.held)).mappings().first()
        if row is None:
            return None
        tx.execute(update(reports).where(mine).values(held=False))
        return KeptReport(**{name: row[name] for name in KeptReport._fields})._replace(held=False)

    def mark(self, tx: Connection, row: KeptReport) -> None:
        body = msgspec.json.decode(row.body or "{}")
        named = body.get("of")
        subject = report_subject(
            row.kind,
            (row.device, row.boot, row.seq),
            gate=row.gate,
            direction=row.direction,
            person=row.person,
            pass_ref=row.pass_ref,
            tag_ref=row.tag_ref,
            zone=body.get("zone"),
            of=(named["boot"], named["seq"]) if named else None,
        )
        if subject is None:
            return
        key = report_key(row.t_ms, row.device, row.boot, row.seq)
        tx.execute(dirty.insert().values(community=row.community, subject=subject, lo=key, hi=key, cause=row.kind))
