"""What the fold reads: live reports (kept, not held back, not corrected)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    or_,
    select,
    union_all,
)

from community_flow.adapters.sql.asking import Asking, for_each, in_passing
from community_flow.adapters.sql.prepared import Row, prepared, value
from community_flow.adapters.sql.queries_fold_counts import START_MS, SqlFoldCounts, live
from community_flow.adapters.sql.report_bodies import body_of
from community_flow.adapters.sql.tables_ingest import COUNTED, reports
from community_flow.domain.conflicts import RELAY_MS, TOKEN_EPOCH_MS, Shown
from community_flow.domain.marks import credential, report_subject, scan_subject
from community_flow.domain.passages import Scan, Triple, report_key
from community_flow.ports.flow import Named, Stretch

r = reports.c
SCAN_COLUMNS = (
    r.t_ms, r.device, r.boot, r.seq, r.gate, r.direction, r.passed, r.kind, r.party, r.method, r.assurance, r.decision,
    r.reason, r.forced,
)  # fmt: skip


def scan(row: Sequence[Any]) -> Scan:
    """A row of SCAN_COLUMNS."""
    t_ms, device, boot, seq, gate, direction, passed, kind, party, *rest = row
    key = report_key(t_ms, device, boot, seq)
    return Scan(key, t_ms, device, boot, seq, gate, direction, passed, kind, party, *rest)


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
