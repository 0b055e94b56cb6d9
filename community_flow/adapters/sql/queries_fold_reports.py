"""What the fold reads: its queue, and live reports (kept, not held back, not corrected)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    union_all,
)

from community_flow.adapters.sql.asking import Asking, for_each, in_passing, matching
from community_flow.adapters.sql.prepared import Row, prepared, value
from community_flow.adapters.sql.queries_fold_counts import START_MS, SqlFoldCounts, live
from community_flow.adapters.sql.report_bodies import body_of
from community_flow.adapters.sql.tables_flow import OF_JOURNAL, dirty
from community_flow.adapters.sql.tables_ingest import COUNTED, reports
from community_flow.domain.conflicts import RELAY_MS, TOKEN_EPOCH_MS, Shown
from community_flow.domain.marks import GATE, Mark, credential, report_subject, scan_subject
from community_flow.domain.passages import Scan, Triple, report_key
from community_flow.ports.flow import Kin, Named, Stretch

MOST_SIDE_MARKS = 200
"""Marks of one gate and direction in one slice."""

r, d, w = reports.c, dirty.c, dirty.alias("waiting").c
SCAN_COLUMNS = (
    r.t_ms, r.device, r.boot, r.seq, r.gate, r.direction, r.passed, r.kind, r.party, r.method, r.assurance, r.decision,
    r.reason, r.forced,
)  # fmt: skip


def scan(row: Sequence[Any]) -> Scan:
    """A row of SCAN_COLUMNS."""
    t_ms, device, boot, seq, gate, direction, passed, kind, party, *rest = row
    key = report_key(t_ms, device, boot, seq)
    return Scan(key, t_ms, device, boot, seq, gate, direction, passed, kind, party, *rest)


_HERE = d.community == value("community")
_WAITING = select(d.subject).where(_HERE).order_by(d.id).limit(value("most"))


def _each_community() -> Select[Any]:
    """From one community to the next by the index: what waits of each may be a flood."""
    each = select(func.min(d.community).label("community")).cte("each", recursive=True)
    following = select(func.min(d.community)).where(d.community > each.c.community).scalar_subquery()
    each = each.union_all(select(following).where(each.c.community.is_not(None)))
    return select(each.c.community).where(each.c.community.is_not(None))


# A slice looks for a few rows by an index, however small or unknown the tables are.
_BY_INDEX = (func.set_config(f"enable_{way}", "off", True) for way in ("seqscan", "hashjoin", "mergejoin"))
_LOCK = prepared(select(func.pg_try_advisory_xact_lock(func.hashtextextended(value("key", type_=Text), 0)), *_BY_INDEX))
_COMMUNITIES = prepared(_each_community())
_OF_JOURNAL = prepared(_WAITING.where(text(OF_JOURNAL)))
_OF_ALL = prepared(_WAITING)
_MARK = (d.subject, d.lo, d.hi, d.cause)
_TAKE = Asking(
    lambda asked: (
        delete(dirty)
        .where(d.id.in_(matching(asked, [w.id], lambda a: and_(w.community == a.community, w.subject == a.name))))
        .returning(*_MARK)
    )
)
_CROWDED = Asking(
    lambda asked: select(
        asked.c.name,
        select(literal(1))
        .where(_HERE, d.subject == asked.c.name)
        .limit(1)
        .offset(MOST_SIDE_MARKS)
        .correlate(asked)
        .scalar_subquery(),
    )
)
_OF_SIDE = and_(_HERE, d.subject == value("side"))
_FIRST_OF_SIDE = select(d.id).where(_OF_SIDE).order_by(d.lo).limit(MOST_SIDE_MARKS)
_TAKE_SIDE = prepared(delete(dirty).where(_OF_SIDE, d.id.in_(_FIRST_OF_SIDE)).returning(*_MARK))
_PUT = prepared(insert(dirty).values({name: value(name) for name in ("community", "subject", "lo", "hi", "cause")}))
_ONE_MORE = prepared(select(literal(1)).where(_HERE).limit(1).offset(value("marks")))


class SqlFoldQueue:
    def lock(self, tx: Connection, community: str) -> bool:
        if tx.dialect.name != "postgresql":
            return True  # the writer holds the only write lock
        return bool(_LOCK.scalar(tx, key="fold:" + community))

    def waiting(self, tx: Connection) -> list[str]:
        return [row[0] for row in _COMMUNITIES.rows(tx)]

    def take(
        self, tx: Connection, community: str, subjects: int, kin: Kin, without: Collection[str] = ()
    ) -> list[Mark]:
        names = self._next(tx, community, subjects, kin, without)
        crowded = self._crowded(tx, community, [name for name in names if name.startswith(GATE)])
        taken: dict[str, Mark] = {}
        sides: list[Mark] = []
        # What is deleted is exactly what is read: a mark that another transaction commits meanwhile stays.
        wanted = ({"community": community, "name": name} for name in names if name not in crowded)
        for row in _TAKE.rows(tx, wanted):
            mark = Mark(*row)
            if mark.subject.startswith(GATE):
                sides.append(mark)  # as they are: joined they would span all between an old report and a new one
            else:
                _widen(taken, mark)
        for side in sorted(crowded):
            sides += self._earliest(tx, community, side)
        return [*taken.values(), *sides]

    def _crowded(self, tx: Connection, community: str, sides: Sequence[str]) -> set[str]:
        """Gates and directions with more marks than one slice should take."""
        rows = _CROWDED.rows(tx, ({"name": side} for side in sides), community=community)
        return {side for side, one_more in rows if one_more}

    def _earliest(self, tx: Connection, community: str, side: str) -> list[Mark]:
        return [Mark(*row) for row in _TAKE_SIDE.rows(tx, community=community, side=side)]

    def _next(self, tx: Connection, community: str, subjects: int, kin: Kin, without: Collection[str]) -> list[str]:
        asked = {"community": community, "most": 4 * subjects}
        if without:
            left = _WAITING.where(d.subject.not_in(without))
            names = list(tx.execute(left.where(text(OF_JOURNAL)), asked)) or list(tx.execute(left, asked))
        else:
            names = _OF_JOURNAL.rows(tx, **asked) or _OF_ALL.rows(tx, **asked)
        first = list(dict.fromkeys(name for (name,) in names))[:subjects]
        groups = [sorted(kin(name)) for name in first]
        return list(dict.fromkeys(other for group in groups if not set(without).intersection(group) for other in group))

    def put(self, tx: Connection, community: str, marks: Iterable[Mark]) -> None:
        rows = [
            {"community": community, "subject": mark.subject, "lo": mark.lo, "hi": mark.hi, "cause": mark.cause}
            for mark in marks
        ]
        _PUT.many(tx, rows)

    def exceeds(self, tx: Connection, community: str, marks: int) -> bool:
        return bool(_ONE_MORE.rows(tx, community=community, marks=marks))


def _widen(taken: dict[str, Mark], mark: Mark) -> None:
    known = taken.get(mark.subject)
    if known is not None:
        mark = Mark(mark.subject, min(known.lo, mark.lo), max(known.hi, mark.hi), known.cause)
    taken[mark.subject] = mark


_COMMUNITY = r.community == value("community")
_PEOPLE = and_(or_(r.kind == "scan", r.kind == "visitor"), ~COUNTED)


def _named_by(column: ColumnElement[Any], member: str) -> Asking:
    """Scans of what is asked for by one column, between two event times."""

    def match(a: Any) -> ColumnElement[bool]:
        within = and_(column == a[member], r.t_ms.between(a.from_ms, a.to_ms))
        return and_(within, in_passing(r.community, value("community")), _PEOPLE, live())

    return for_each((r.person, r.pass_ref, r.tag_ref, *SCAN_COLUMNS), match)


def _same_pass(a: Any) -> ColumnElement[bool]:
    return and_(r.pass_ref == a.ref, r.t_ms.between(a.from_ms, a.to_ms))


def same_report(a: Any) -> ColumnElement[bool]:
    """The report that `asked_reports` asks for."""
    return and_(r.device == a.name, r.boot == a.from_ms, r.seq == a.number)


_NAMED = {"ps_": _named_by(r.pass_ref, "ref"), "tg_": _named_by(r.tag_ref, "ref"), "p_": _named_by(r.person, "name")}
_ALONE = for_each(SCAN_COLUMNS, lambda a: and_(same_report(a), live()))
_TOKENS = for_each((r.pass_ref, r.token_s), lambda a: and_(_same_pass(a), r.token_s.is_not(None)))
_SHOWN = for_each(
    (r.pass_ref, r.t_ms, r.device, r.boot, r.seq, r.gate, r.token_s),
    lambda a: and_(_same_pass(a), r.token_s == a.number, live()),
)


def _of_both_indexes(chosen: Any) -> Select[Any]:
    """``chosen`` of the times of a community."""
    each = [select(chosen(r.t_ms).label("t_ms")).where(_COMMUNITY, which) for which in (COUNTED, ~COUNTED)]
    return select(chosen(union_all(*each).subquery().c.t_ms))


_NEWEST, _OLDEST = prepared(_of_both_indexes(func.max)), prepared(_of_both_indexes(func.min))
_BETWEEN = r.t_ms.between(value("from_ms"), value("to_ms"))
_NOBODY = and_(r.pass_ref.is_(None), r.tag_ref.is_(None), r.person.is_(None))
_TIED = prepared(select(r.person, r.pass_ref, r.tag_ref).distinct().where(_COMMUNITY, _BETWEEN, _PEOPLE, ~_NOBODY))
_LONE = prepared(select(r.device, r.boot, r.seq).where(_COMMUNITY, _BETWEEN, _PEOPLE, _NOBODY))
_NAMED_REPORT = prepared(
    select(r.kind, r.t_ms, r.gate, r.direction, r.person, r.pass_ref, r.tag_ref, r.body, START_MS).where(
        r.device == value("device"), r.boot == value("boot"), r.seq == value("seq"), r.held.is_(False)
    )
)


class SqlFoldReports(SqlFoldCounts):
    def newest_ms(self, tx: Connection, community: str) -> int | None:
        newest: int | None = _NEWEST.scalar(tx, community=community)
        return newest

    def oldest_ms(self, tx: Connection, community: str) -> int | None:
        oldest: int | None = _OLDEST.scalar(tx, community=community)
        return oldest

    def scans(self, tx: Connection, community: str, stretches: Sequence[Stretch]) -> list[tuple[str, Scan]]:
        """Each credential or person by the index of its own kind."""
        found: list[tuple[str, Scan]] = []
        for kind, query in _NAMED.items():
            shaped = _person_row if kind == "p_" else _credential_row
            rows = query.rows(
                tx, [shaped(each) for each in stretches if each.name.startswith(kind)], community=community
            )
            found += [(row[0] or credential(row[1], row[2]) or "", scan(row[3:])) for row in rows]
        return found

    def alone(self, tx: Connection, triples: Sequence[Triple]) -> list[Scan]:
        return [scan(row) for row in _ALONE.rows(tx, asked_reports(triples))]

    def tokens(self, tx: Connection, stretches: Sequence[Stretch]) -> set[tuple[str, int]]:
        refs = [_credential_row(each) for each in stretches if each.name.startswith("ps_")]
        return {("ps_" + ref.hex(), token_s) for ref, token_s in _TOKENS.rows(tx, refs)}

    def shown(self, tx: Connection, codes: Collection[tuple[str, int]]) -> list[tuple[str, Shown]]:
        return [_shown(*row) for row in _SHOWN.rows(tx, (_code_row(*code) for code in sorted(codes)))]

    def names_between(self, tx: Connection, community: str, from_ms: int, to_ms: int) -> set[str]:
        asked = {"community": community, "from_ms": from_ms, "to_ms": to_ms}
        names = {person or credential(pass_ref, tag_ref) or "" for person, pass_ref, tag_ref in _TIED.rows(tx, **asked)}
        return names | {scan_subject(triple, None, None, None) for triple in _LONE.rows(tx, **asked)}

    def named(self, tx: Connection, triple: Triple) -> Named | None:
        device, boot, seq = triple
        found = _NAMED_REPORT.rows(tx, device=device, boot=boot, seq=seq)
        if not found or found[0][0] == "correction":
            return None
        kind, t_ms, gate, direction, person, pass_ref, tag_ref, body, start_ms = found[0]
        subject = report_subject(
            kind, triple, gate=gate, direction=direction, person=person, pass_ref=pass_ref, tag_ref=tag_ref,
            zone=body_of(body).zone,
        )  # fmt: skip
        return None if subject is None else Named(subject, report_key(t_ms, *triple), start_ms)


def _shown(pass_ref: bytes, t_ms: int, device: str, boot: int, seq: int, gate: str, token_s: int) -> tuple[str, Shown]:
    triple = (device, boot, seq)
    return "ps_" + pass_ref.hex(), Shown(report_key(t_ms, *triple), t_ms, triple, gate, token_s)


def _credential_row(stretch: Stretch) -> dict[str, Any]:
    return {"ref": bytes.fromhex(stretch.name[3:]), "from_ms": stretch.from_ms, "to_ms": stretch.to_ms}


def _person_row(stretch: Stretch) -> dict[str, Any]:
    return {"name": stretch.name, "from_ms": stretch.from_ms, "to_ms": stretch.to_ms}


def _code_row(name: str, token_s: int) -> dict[str, Any]:
    made_ms = TOKEN_EPOCH_MS + token_s * 1000
    ref = bytes.fromhex(name[3:])
    return {"ref": ref, "number": token_s, "from_ms": made_ms - RELAY_MS, "to_ms": made_ms + RELAY_MS}


def asked_reports(triples: Iterable[Triple]) -> Iterable[Row]:
    """To ask for reports by their identity; `same_report` joins them."""
    return ({"name": device, "from_ms": boot, "number": seq} for device, boot, seq in triples)
