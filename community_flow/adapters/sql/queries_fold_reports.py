"""What the fold reads: its queue, and live reports (kept, not held back, not corrected)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    select,
)

from community_flow.adapters.sql.asking import ask, asked, in_passing
from community_flow.adapters.sql.tables_flow import dirty, voids
from community_flow.adapters.sql.tables_ingest import reports
from community_flow.domain.conflicts import RELAY_MS, TOKEN_EPOCH_MS, Shown
from community_flow.domain.marks import GATE, JOURNAL, Mark, credential, report_subject, scan_subject
from community_flow.domain.passages import Scan, Triple, report_key
from community_flow.ports.flow import Census, CountRow, Kin, Named, Replacement, Stretch

MOST_SIDE_MARKS = 200
"""Marks of one gate and direction in one slice."""

PIECE = 400
"""Names in one IN list: far below any limit on parameters."""

r, a = reports.c, asked.c
SCAN_COLUMNS = (
    r.t_ms, r.device, r.boot, r.seq, r.gate, r.direction, r.passed, r.kind, r.party, r.method, r.assurance, r.decision,
    r.reason, r.forced,
)  # fmt: skip


def live() -> ColumnElement[bool]:
    corrected = exists().where(voids.c.device == r.device, voids.c.boot == r.boot, voids.c.seq == r.seq)
    return and_(r.held.is_(False), ~corrected)


def scan(row: Sequence[Any]) -> Scan:
    """A row of SCAN_COLUMNS."""
    t_ms, device, boot, seq, gate, direction, passed, kind, party, *rest = row
    key = report_key(t_ms, device, boot, seq)
    return Scan(key, t_ms, device, boot, seq, gate, direction, passed, kind, party, *rest)


def pieces(rows: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (rows[start : start + PIECE] for start in range(0, len(rows), PIECE))


class SqlFoldQueue:
    def lock(self, tx: Connection, community: str) -> bool:
        if tx.dialect.name != "postgresql":
            return True  # the writer holds the only write lock
        key = func.hashtextextended("fold:" + community, 0)
        return bool(tx.execute(select(func.pg_try_advisory_xact_lock(key))).scalar_one())

    def waiting(self, tx: Connection) -> list[str]:
        return list(tx.execute(select(dirty.c.community).distinct().order_by(dirty.c.community)).scalars())

    def take(self, tx: Connection, community: str, subjects: int, kin: Kin) -> list[Mark]:
        names = self._next(tx, community, subjects, kin)
        sides = [name for name in names if name.startswith(GATE)]
        taken: dict[str, Mark] = {}
        for piece in pieces([name for name in names if not name.startswith(GATE)]):
            # What is deleted is exactly what is read: a mark that another transaction commits meanwhile stays.
            for mark in _taken(tx, and_(dirty.c.community == community, dirty.c.subject.in_(piece))):
                _widen(taken, mark)
        return [*taken.values(), *(mark for side in sides for mark in self._earliest(tx, community, side))]

    def _earliest(self, tx: Connection, community: str, side: str) -> list[Mark]:
        """Marks of a gate as they are: joined they would span all that lies between an old report and a new one."""
        here = and_(dirty.c.community == community, dirty.c.subject == side)
        first = select(dirty.c.id).where(here).order_by(dirty.c.lo).limit(MOST_SIDE_MARKS)
        return _taken(tx, and_(here, dirty.c.id.in_(first)))

    def _next(self, tx: Connection, community: str, subjects: int, kin: Kin) -> list[str]:
        waiting = select(dirty.c.subject).where(dirty.c.community == community).order_by(dirty.c.id).limit(4 * subjects)
        journal = waiting.where(dirty.c.subject.startswith(JOURNAL))
        names = list(tx.execute(journal).scalars()) or list(tx.execute(waiting).scalars())
        first = list(dict.fromkeys(names))[:subjects]
        return list(dict.fromkeys(other for name in first for other in sorted(kin(name))))

    def put(self, tx: Connection, community: str, marks: Iterable[Mark]) -> None:
        rows = [
            {"community": community, "subject": mark.subject, "lo": mark.lo, "hi": mark.hi, "cause": mark.cause}
            for mark in marks
        ]
        if rows:
            tx.execute(insert(dirty), rows)

    def length(self, tx: Connection, community: str) -> int:
        counted = select(func.count()).select_from(dirty).where(dirty.c.community == community)
        return int(tx.execute(counted).scalar_one())


def _taken(tx: Connection, which: ColumnElement[bool]) -> list[Mark]:
    gone = delete(dirty).where(which).returning(dirty.c.subject, dirty.c.lo, dirty.c.hi, dirty.c.cause)
    return [Mark(row.subject, bytes(row.lo), bytes(row.hi), row.cause) for row in tx.execute(gone)]


def _widen(taken: dict[str, Mark], mark: Mark) -> None:
    known = taken.get(mark.subject)
    if known is not None:
        mark = Mark(mark.subject, min(known.lo, mark.lo), max(known.hi, mark.hi), known.cause)
    taken[mark.subject] = mark


class SqlFoldReports:
    def newest_ms(self, tx: Connection, community: str) -> int | None:
        newest: int | None = tx.execute(select(func.max(r.t_ms)).where(r.community == community)).scalar()
        return newest

    def oldest_ms(self, tx: Connection, community: str) -> int | None:
        oldest: int | None = tx.execute(select(func.min(r.t_ms)).where(r.community == community)).scalar()
        return oldest

    def scans(self, tx: Connection, community: str, stretches: Sequence[Stretch]) -> list[tuple[str, Scan]]:
        """Each credential or person by the index of its own kind."""
        found: list[tuple[str, Scan]] = []
        for kind, same in (("ps_", r.pass_ref == a.ref), ("tg_", r.tag_ref == a.ref), ("p_", r.person == a.name)):
            mine = [each for each in stretches if each.name.startswith(kind)]
            if mine and ask(tx, map(_person_row if kind == "p_" else _credential_row, mine)):
                found += self._named(tx, community, same)
        return found

    def _named(self, tx: Connection, community: str, same: ColumnElement[bool]) -> list[tuple[str, Scan]]:
        query = (
            select(r.person, r.pass_ref, r.tag_ref, *SCAN_COLUMNS)
            .select_from(asked)
            .join(reports, and_(same, r.t_ms.between(a.from_ms, a.to_ms)))
            .where(in_passing(r.community, community), r.kind.in_(("scan", "visitor")), live())
        )
        return [(row[0] or credential(row[1], row[2]) or "", scan(row[3:])) for row in tx.execute(query)]

    def alone(self, tx: Connection, triples: Sequence[Triple]) -> list[Scan]:
        if not ask_reports(tx, triples):
            return []
        query = select(*SCAN_COLUMNS).select_from(asked).join(reports, same_report()).where(live())
        return [scan(row) for row in tx.execute(query)]

    def tokens(self, tx: Connection, stretches: Sequence[Stretch]) -> set[tuple[str, int]]:
        refs = [each for each in stretches if each.name.startswith("ps_")]
        if not refs or not ask(tx, map(_credential_row, refs)):
            return set()
        query = (
            select(r.pass_ref, r.token_s)
            .distinct()
            .select_from(asked)
            .join(reports, and_(r.pass_ref == a.ref, r.t_ms.between(a.from_ms, a.to_ms)))
            .where(r.token_s.is_not(None))
        )
        return {("ps_" + bytes(row.pass_ref).hex(), row.token_s) for row in tx.execute(query)}

    def shown(self, tx: Connection, codes: Collection[tuple[str, int]]) -> list[tuple[str, Shown]]:
        if not ask(tx, (_code_row(name, token_s) for name, token_s in sorted(codes))):
            return []
        near = and_(r.pass_ref == a.ref, r.t_ms.between(a.from_ms, a.to_ms), r.token_s == a.number)
        query = (
            select(r.pass_ref, r.t_ms, r.device, r.boot, r.seq, r.gate, r.token_s)
            .select_from(asked)
            .join(reports, near)
            .where(live())
        )
        return [_shown(row) for row in tx.execute(query)]

    def names_between(self, tx: Connection, community: str, from_ms: int, to_ms: int) -> set[str]:
        span = and_(r.community == community, r.t_ms.between(from_ms, to_ms), r.kind.in_(("scan", "visitor")))
        nobody = and_(r.pass_ref.is_(None), r.tag_ref.is_(None), r.person.is_(None))
        tied = select(r.person, r.pass_ref, r.tag_ref).distinct().where(span, ~nobody)
        names = {row[0] or credential(row[1], row[2]) or "" for row in tx.execute(tied)}
        lone = tx.execute(select(r.device, r.boot, r.seq).where(span, nobody))
        return names | {scan_subject((row[0], row[1], row[2]), None, None, None) for row in lone}

    def named(self, tx: Connection, triple: Triple) -> Named | None:
        device, boot, seq = triple
        row = tx.execute(
            select(
                r.kind,
                r.t_ms,
                r.gate,
                r.direction,
                r.person,
                r.pass_ref,
                r.tag_ref,
                r.body,
                (r.from_ms - r.skew_ms).label("start_ms"),
            ).where(r.device == device, r.boot == boot, r.seq == seq, r.held.is_(False))
        ).first()
        if row is None or row.kind == "correction":
            return None
        subject = report_subject(
            row.kind,
            triple,
            gate=row.gate,
            direction=row.direction,
            person=row.person,
            pass_ref=row.pass_ref,
            tag_ref=row.tag_ref,
            zone=body_of(row.body).zone,
        )
        return None if subject is None else Named(subject, report_key(row.t_ms, *triple), row.start_ms)

    def counts(
        self, tx: Connection, community: str, gate: str, direction: str, span_ms: tuple[int, int]
    ) -> list[CountRow]:
        single = and_(r.n.is_not(None), r.from_ms.is_(None), r.t_ms.between(*span_ms))
        rows = tx.execute(select(*COUNT_COLUMNS).where(_side(community, gate, direction), single, live()))
        return sorted((_count(*row) for row in rows), key=_key)

    def aggregates(
        self, tx: Connection, community: str, gate: str, direction: str, span_ms: tuple[int, int]
    ) -> list[CountRow]:
        # The device wrote the start by its own clock, like `at`.
        start_ms = r.from_ms - r.skew_ms
        here = and_(
            _side(community, gate, direction), r.from_ms.is_not(None), r.t_ms >= span_ms[0], start_ms <= span_ms[1]
        )
        rows = tx.execute(select(*COUNT_COLUMNS, start_ms).where(here, live()))
        return sorted((_count(*row) for row in rows), key=_key)

    def replacing(
        self, tx: Connection, community: str, gate: str, direction: str, span_ms: tuple[int, int]
    ) -> list[Replacement]:
        told = and_(_side(community, gate, direction), r.n.is_not(None), r.t_ms.between(*span_ms))
        rows = tx.execute(
            select(r.device, r.boot, r.seq, r.body).where(told, r.body.contains('"replaces"'), live())
        ).all()
        found = [((device, boot, seq), body_of(body).replaces) for device, boot, seq, body in rows]
        return [
            Replacement(triple, gate, direction, named.boot, named.from_, named.to) for triple, named in found if named
        ]

    def counted(self, tx: Connection, community: str, gate: str) -> bool:
        any_ = select(r.seq).where(r.community == community, r.gate == gate, r.n.is_not(None), r.kind == "count")
        return tx.execute(any_.limit(1)).first() is not None

    def censuses(self, tx: Connection, community: str, zone: str, span_ms: tuple[int, int]) -> list[Census]:
        rows = tx.execute(
            select(r.t_ms, r.device, r.boot, r.seq, r.n, r.body).where(
                r.community == community, r.t_ms.between(*span_ms), r.kind == "census", live()
            )
        )
        return [
            Census(report_key(row.t_ms, row.device, row.boot, row.seq), row.t_ms, row.n)
            for row in rows
            if body_of(row.body).zone == zone
        ]


class _Named(msgspec.Struct, frozen=True):
    boot: int
    seq: int


class _Span(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    boot: int
    from_: int
    to: int


class _Body(msgspec.Struct, frozen=True):
    """Members of a report that have no column."""

    zone: str | None = None
    of: _Named | None = None
    replaces: _Span | None = None


_EMPTY = _Body()
_decode_body = msgspec.json.Decoder(_Body).decode


def body_of(text: str | None) -> _Body:
    return _decode_body(text) if text else _EMPTY


def named_in(text: str | None) -> tuple[int, int] | None:
    """(boot, seq) of what a correction corrects."""
    of = body_of(text).of
    return None if of is None else (of.boot, of.seq)


COUNT_COLUMNS = (r.t_ms, r.device, r.boot, r.seq, r.n)


def _count(t_ms: int, device: str, boot: int, seq: int, n: int, from_ms: int | None = None) -> CountRow:
    return CountRow(report_key(t_ms, device, boot, seq), t_ms, (device, boot, seq), n, from_ms)


def _key(row: CountRow) -> bytes:
    return row.key


def _side(community: str, gate: str, direction: str) -> ColumnElement[bool]:
    return and_(r.community == community, r.gate == gate, r.direction == direction, r.kind == "count")


def _shown(row: Any) -> tuple[str, Shown]:
    triple = (row.device, row.boot, row.seq)
    name = "ps_" + bytes(row.pass_ref).hex()
    return name, Shown(report_key(row.t_ms, *triple), row.t_ms, triple, row.gate, row.token_s)


def _credential_row(stretch: Stretch) -> dict[str, Any]:
    return {"ref": bytes.fromhex(stretch.name[3:]), "from_ms": stretch.from_ms, "to_ms": stretch.to_ms}


def _person_row(stretch: Stretch) -> dict[str, Any]:
    return {"name": stretch.name, "from_ms": stretch.from_ms, "to_ms": stretch.to_ms}


def _code_row(name: str, token_s: int) -> dict[str, Any]:
    made_ms = TOKEN_EPOCH_MS + token_s * 1000
    ref = bytes.fromhex(name[3:])
    return {"ref": ref, "number": token_s, "from_ms": made_ms - RELAY_MS, "to_ms": made_ms + RELAY_MS}


def ask_reports(tx: Connection, triples: Iterable[Triple]) -> bool:
    """Ask for reports by their identity; `same_report` joins them."""
    return ask(tx, ({"name": device, "from_ms": boot, "number": seq} for device, boot, seq in triples))


def same_report() -> ColumnElement[bool]:
    return and_(r.device == a.name, r.boot == a.from_ms, r.seq == a.number)
