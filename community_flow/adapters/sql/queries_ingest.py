"""Keeping reports. Written against the driver itself: this is the one place where a statement's overhead shows.

All writes of one device happen one after the other (its status row is locked), so "is it there already?" followed by
an insert is exact; the primary key (device, boot, seq) stands behind it all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, LargeBinary, select, update
from sqlalchemy.sql.sqltypes import Boolean, Integer, SmallInteger

from community_flow.adapters.sql.metadata import Ms
from community_flow.adapters.sql.tables_flow import dirty
from community_flow.adapters.sql.tables_ingest import device_tokens, references, reports
from community_flow.adapters.sql.tables_registry import passes
from community_flow.domain.marks import report_subject
from community_flow.domain.passages import report_key
from community_flow.domain.reports import HOLDS, KeptReport, Outcome, TrayItem
from community_flow.ports.ingest import Kept, Prepared, Reference, SeenBefore, Submission

Boot = tuple[str, int]
Triple = tuple[str, int, int]
Entry = Prepared | TrayItem | SeenBefore
TRAY = "community, device, boot, seq, received_ms, reason, detail, body, digest, state"
PAGE = 5_000


class SqlReports:
    """The kept reports. ``seal`` hides what lies in the tray from whoever reads the database."""

    def __init__(self, seal: Callable[[str], Mapping[str, str]]) -> None:
        self.seal = seal

    def keep(self, tx: Connection, submissions: Sequence[Submission]) -> list[Kept]:
        work = _Work(_Driver(tx), self.seal)
        work.lock_devices({each.device for each in submissions})
        work.read_known(submissions)
        outcomes = [[work.take(each, entry) for entry in each.entries] for each in submissions]
        work.write()
        through = work.advance(submissions)
        work.tell_devices(submissions, outcomes)
        return [
            Kept(
                found,
                {boot: through[each.device, boot] for boot in {one.boot for one in found}},
                sum(one.outcome == "accepted" for one in found),
            )
            for each, found in zip(submissions, outcomes, strict=True)
        ]

    def digests(self, tx: Connection, device: str, ids: Collection[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        wanted: dict[int, list[int]] = defaultdict(list)
        for boot, seq in ids:
            wanted[boot].append(seq)
        sql = _Driver(tx)
        rows = ((boot, row) for boot, seqs in wanted.items() for row in _digests(sql, device, boot, seqs))
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


class _Driver:
    """Statements on the driver's own cursor, with its own placeholders."""

    def __init__(self, tx: Connection) -> None:
        self.is_sqlite = tx.dialect.name == "sqlite"
        self.cursor: Any = tx.connection.cursor()

    def rows(self, sql: str, *values: Any) -> list[Any]:
        self.cursor.execute(self._spelled(sql), values)
        return list(self.cursor.fetchall())

    def run(self, sql: str, *values: Any) -> None:
        self.cursor.execute(self._spelled(sql), values)

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        if len(rows) == 1:
            self.cursor.execute(self._spelled(sql), rows[0])
        elif rows:
            self.cursor.executemany(self._spelled(sql), rows)

    def bulk(self, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert what is new. One array a column on PostgreSQL, which parses and plans once however many rows."""
        if not rows:
            return
        names = ", ".join(columns)
        if self.is_sqlite:
            marks = ", ".join("?" * len(columns))
            self.many(f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING", rows)  # noqa: S608
            return
        arrays = ", ".join(f"%s::{kind}[]" for kind in columns.values())
        self.cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING",  # noqa: S608
            [list(column) for column in zip(*rows, strict=True)],
        )

    def _spelled(self, sql: str) -> str:
        return sql if self.is_sqlite else sql.replace("?", "%s")


def _kind(type_: Any) -> str:
    if isinstance(type_, LargeBinary):
        return "bytea"
    if isinstance(type_, Boolean):
        return "boolean"
    if isinstance(type_, SmallInteger):
        return "smallint"
    if isinstance(type_, Ms):
        return "bigint"
    return "integer" if isinstance(type_, Integer) else "text"


REPORT_COLUMNS = {name: _kind(reports.c[name].type) for name in KeptReport._fields}
DIRTY_COLUMNS = {name: _kind(dirty.c[name].type) for name in ("community", "subject", "lo", "hi", "cause")}
TRAY_COLUMNS = {
    name: {"boot": "bigint", "seq": "bigint", "received_ms": "bigint", "digest": "bytea"}.get(name, "text")
    for name in TRAY.split(", ")
}


@dataclass
class _Work:
    """One transaction's worth of submissions."""

    sql: _Driver
    seal: Callable[[str], Mapping[str, str]]
    known: dict[Triple, bytes] = field(default_factory=dict)
    fresh: list[KeptReport] = field(default_factory=list)
    marks: list[tuple[str, str | None, bytes, bytes, str]] = field(default_factory=list)
    tray: list[tuple[Any, ...]] = field(default_factory=list)
    used: list[tuple[str, bytes]] = field(default_factory=list)
    forged: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def lock_devices(self, devices: Collection[str]) -> None:
        if self.sql.is_sqlite:  # one writer anyway
            return
        wanted = sorted(devices)  # always in the same order, so that two groups never wait for each other
        self.sql.rows("SELECT 1 FROM device_status WHERE device = ANY(?) ORDER BY device FOR UPDATE", wanted)

    def read_known(self, submissions: Iterable[Submission]) -> None:
        """Digests of those reports that the store has already."""
        wanted: dict[Boot, list[int]] = defaultdict(list)
        for each in submissions:
            for entry in each.entries:
                if isinstance(entry, Prepared):
                    wanted[each.device, entry.row.boot].append(entry.row.seq)
        for (device, boot), seqs in wanted.items():
            for seq, digest in _digests(self.sql, device, boot, seqs):
                self.known[device, boot, seq] = bytes(digest)

    def take(self, submission: Submission, entry: Entry) -> Outcome:
        """Decide what becomes of one report; `write` does it."""
        device, boot, seq = _triple(entry)
        if isinstance(entry, SeenBefore):
            return Outcome(boot, seq, "duplicate")
        if isinstance(entry, TrayItem):
            self._lay(entry)
            return Outcome(boot, seq, "rejected", entry.reason)
        known = self.known.get((device, boot, seq))
        if known is None:
            return self._add(entry)
        if known == entry.row.digest:
            return Outcome(boot, seq, "duplicate")
        detail = "This number was kept before with other content. Both are kept: look which one is true."
        self._lay(
            TrayItem(
                submission.community,
                device,
                boot,
                seq,
                submission.received_ms,
                "conflict",
                detail,
                entry.form.decode(),
                entry.row.digest,
            )
        )
        return Outcome(boot, seq, "conflict", "other_content")

    def _add(self, entry: Prepared) -> Outcome:
        row = entry.row
        self.known[row.device, row.boot, row.seq] = row.digest
        self.fresh.append(row)
        if entry.ref_hash is not None:
            self.used.append((f"{row.device}:{row.boot}:{row.seq}", entry.ref_hash))
        if entry.forged:
            self.forged[row.device] += 1
        if entry.hold is not None:
            self._lay(
                TrayItem(
                    row.community, row.device, row.boot, row.seq, row.received_ms, entry.hold, HOLDS[entry.hold], "",
                    row.digest,
                )
            )  # fmt: skip
        elif entry.subject is not None:
            key = report_key(row.t_ms, row.device, row.boot, row.seq)
            self.marks.append((row.community, entry.subject, key, key, row.kind))
        return Outcome(row.boot, row.seq, "accepted", "held" if row.held else None)

    def _lay(self, item: TrayItem) -> None:
        body = msgspec.json.encode(self.seal(item.text) if item.text else None).decode()
        self.tray.append((*item[:7], body, item.digest, "open"))

    def write(self) -> None:
        self.sql.bulk("reports", REPORT_COLUMNS, self.fresh)
        self.sql.bulk("dirty", DIRTY_COLUMNS, self.marks)
        self.sql.bulk("tray", TRAY_COLUMNS, self.tray)
        self.sql.many("UPDATE scan_references SET used_by = ? WHERE ref_hash = ? AND used_by IS NULL", self.used)

    # --- gaps -----------------------------------------------------------------------------------------------------

    def advance(self, submissions: Iterable[Submission]) -> dict[Boot, int]:
        """The highest seq of each boot in ``submissions`` below which nothing is missing."""
        spans: dict[Boot, list[tuple[int, int]]] = defaultdict(list)
        for each in submissions:
            for entry in each.entries:
                _, boot, seq = _triple(entry)
                spans[each.device, boot].append((seq, seq))
                if isinstance(entry, Prepared) and entry.lost:
                    spans[each.device, boot].append(entry.lost)
        return {boot: self._advance_boot(boot, found) for boot, found in spans.items()}

    def _advance_boot(self, boot: Boot, spans: list[tuple[int, int]]) -> int:
        rows = self.sql.rows("SELECT through, highest FROM device_boots WHERE device = ? AND boot = ?", *boot)
        before, highest = rows[0] if rows else (0, 0)
        through = _run(before, spans)
        if through > before and highest > through:
            through = self._run_stored(boot, through)
        highest = max(highest, through, *(last for _, last in spans))
        if not rows or (through, highest) != (before, rows[0][1]):
            self.sql.run(
                "INSERT INTO device_boots (device, boot, through, highest) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (device, boot) DO UPDATE SET through = excluded.through, highest = excluded.highest",
                *boot,
                through,
                highest,
            )
        return through

    def _run_stored(self, boot: Boot, through: int) -> int:
        """Go on over what came before its time and waits beyond the gap that has just closed."""
        while True:
            rows = self.sql.rows(
                "SELECT seq, CASE WHEN kind = 'gap' THEN body END FROM reports"
                " WHERE device = ? AND boot = ? AND seq > ? UNION ALL"
                " SELECT seq, NULL FROM tray WHERE device = ? AND boot = ? AND seq > ? ORDER BY 1 LIMIT ?",
                *boot,
                through,
                *boot,
                through,
                PAGE,
            )
            reached = _run(through, [span for seq, body in rows for span in _spans(seq, body)])
            if reached == through or len(rows) < PAGE:
                return reached
            through = reached

    # --- devices --------------------------------------------------------------------------------------------------

    def tell_devices(self, submissions: Sequence[Submission], outcomes: Sequence[Sequence[Outcome]]) -> None:
        rows = []
        for each, found in zip(submissions, outcomes, strict=True):
            tally = {name: sum(one.outcome == name for one in found) for name in ("accepted", "duplicate", "rejected")}
            clashes = len(found) - sum(tally.values())
            news = each.news
            rows.append(
                (
                    each.received_ms if news.heard else None,
                    news.last_report_ms,
                    news.last_report_ms,
                    news.skew_ms,
                    *tally.values(),
                    clashes,
                    sum(one.reason == "held" for one in found),
                    self.forged.pop(each.device, 0),
                    news.unknown_fields,
                    each.received_ms if clashes else None,
                    each.device,
                )
            )
        self.sql.many(_NEWS, rows)
        self.sql.many(_STATUS, [_status(each) for each in submissions if each.news.status is not None])


def _digests(driver: _Driver, device: str, boot: int, seqs: list[int]) -> list[Any]:
    sql = "SELECT seq, digest FROM reports WHERE device = ? AND boot = ? AND seq "
    least, most = min(seqs), max(seqs)
    if most - least < 2 * len(seqs):
        return driver.rows(f"{sql}BETWEEN ? AND ?", device, boot, least, most)
    # Scattered numbers: a range could hold millions of other reports.
    if driver.is_sqlite:
        return driver.rows(f"{sql}IN (SELECT value FROM json_each(?))", device, boot, str(seqs))  # noqa: S608
    return driver.rows(f"{sql}= ANY(?)", device, boot, seqs)


_NEWS = (
    "UPDATE device_status SET last_ms = COALESCE(?, last_ms),"
    " last_report_ms = CASE WHEN last_report_ms IS NULL OR last_report_ms < ? THEN ? ELSE last_report_ms END,"
    " skew_ms = COALESCE(?, skew_ms), accepted = accepted + ?, duplicates = duplicates + ?, rejected = rejected + ?,"
    " conflicts = conflicts + ?, held = held + ?, forged = forged + ?, unknown_fields = unknown_fields + ?,"
    " mismatch_ms = COALESCE(?, mismatch_ms) WHERE device = ?"
)
_STATUS = (
    "UPDATE device_status SET queue = ?, version = ?, config = ?, faults = ?, counters = ?, status_ms = ?"
    " WHERE device = ? AND (status_ms IS NULL OR status_ms <= ? OR status_ms > last_ms + 600000)"
)


def _status(each: Submission) -> tuple[Any, ...]:
    status = each.news.status or {}
    t_ms = status["t_ms"]
    faults, counters = (msgspec.json.encode(status.get(name)).decode() for name in ("faults", "counters"))
    return status["queue"], status["version"], status["config"], faults, counters, t_ms, each.device, t_ms


def _triple(entry: Entry) -> Triple:
    if isinstance(entry, Prepared):
        return entry.row.device, entry.row.boot, entry.row.seq
    return entry.device, entry.boot, entry.seq


def _spans(seq: int, gap: str | None) -> list[tuple[int, int]]:
    if gap is None:
        return [(seq, seq)]
    lost = msgspec.json.decode(gap)
    return [(seq, seq), (lost["from"], lost["to"])]


def _run(through: int, spans: Iterable[tuple[int, int]]) -> int:
    """How far the unbroken run reaches from ``through`` over these spans."""
    for first, last in sorted(spans):
        if first > through + 1:
            break
        through = max(through, last)
    return through
