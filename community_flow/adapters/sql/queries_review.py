"""Rows of the fold as rules read them, anomalies and verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, func, insert, or_, select, update

from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_flow import conflicts, flow_hours, ledger, passages, visits
from community_flow.adapters.sql.tables_review import anomalies, reviews, verdicts
from community_flow.domain.anomalies import HOUR_MS, Anomaly, Contradiction, Passed, Stay, Surplus
from community_flow.domain.passages import Triple, id_triple, key_at
from community_flow.domain.scope import Scope
from community_flow.ports.review import Card, Evidence, Progress, Verdict

CHUNK = 500

MOST_NAMED = 200
"""Of the bodies of one gate, direction and hour the first, by which a card is known."""


class SqlReview:
    def passed(self, tx: Connection, community: str, from_ms: int, persons: Sequence[str] | None) -> list[Passed]:
        columns = (
            passages.c.subject, passages.c.person, passages.c.gate, passages.c.direction, passages.c.at_ms,
            passages.c.id,
        )  # fmt: skip
        query = select(*columns).where(passages.c.community == community, passages.c.at_ms >= from_ms)
        if persons is None:
            return _passed(tx, query)
        chunks = [persons[start : start + CHUNK] for start in range(0, len(persons), CHUNK)]
        return [row for chunk in chunks for row in _passed(tx, query.where(passages.c.subject.in_(chunk)))]

    def contradictions(self, tx: Connection, community: str, from_ms: int) -> list[Contradiction]:
        columns = (
            conflicts.c.kind, conflicts.c.subject, conflicts.c.person, conflicts.c.at_ms, conflicts.c.evidence,
            conflicts.c.detail,
        )  # fmt: skip
        rows = tx.execute(
            select(*columns)
            .where(conflicts.c.community == community, conflicts.c.at_ms >= from_ms)
            .order_by(conflicts.c.at_ms, conflicts.c.id)
        )
        return [Contradiction(*row[:4], _triples(row.evidence), row.detail) for row in rows]

    def stays(self, tx: Connection, community: str, until: Mapping[str, int], zones: Sequence[str]) -> list[Stay]:
        people = sorted(until)
        found = []
        for start in range(0, len(people), CHUNK):
            rows = tx.execute(
                select(visits.c.person, visits.c.entered_ms, visits.c.left_ms, visits.c.closed_by, visits.c.passage)
                .where(visits.c.community == community, visits.c.subject.in_(people[start : start + CHUNK]))
                .where(visits.c.zone.in_(zones), or_(visits.c.left_ms.is_not(None), visits.c.closed_by.is_(None)))
            )
            found += [
                Stay(row.person, row.entered_ms, row.left_ms, until[row.person], id_triple(row.passage)) for row in rows
            ]
        return found

    def surplus(self, tx: Connection, community: str, from_ms: int) -> list[Surplus]:
        hours = tx.execute(
            select(flow_hours).where(
                flow_hours.c.community == community,
                flow_hours.c.hour_ms >= from_ms - HOUR_MS,
                flow_hours.c.bodies + flow_hours.c.surplus > 0,
            )
        )
        return [
            Surplus(
                row.gate, row.direction, row.hour_ms, row.surplus,
                # What the counter saw: who passed with a body, and bodies beyond.
                max(row.bodies - row.turned_back + row.surplus, row.surplus, 1),
            )
            for row in hours
        ]  # fmt: skip

    def named(self, tx: Connection, community: str, hour: Surplus) -> list[Triple]:
        c = ledger.c
        side = and_(c.community == community, c.gate == hour.gate, c.direction == hour.direction, c.kind == "surplus")
        within_hour = and_(c.key >= key_at(hour.hour_ms), c.key < key_at(hour.hour_ms + HOUR_MS))
        sources = select(c.source).where(side, within_hour).order_by(c.key).limit(MOST_NAMED)
        return [id_triple(source) for source in tx.execute(sources).scalars()]

    def evidence(self, tx: Connection, scope: Scope, from_ms: int, limit: int) -> list[Evidence]:
        single = tx.execute(
            select(conflicts)
            .where(within(conflicts.c.community, scope), conflicts.c.at_ms >= from_ms)
            .order_by(conflicts.c.at_ms.desc())
            .limit(limit)
        )
        found = [
            Evidence(
                row.id, row.kind, row.community, row.subject, row.person, row.detail.get("gate"), row.at_ms, row.detail
            )
            for row in single
        ]
        bodies = tx.execute(
            select(ledger)
            .where(within(ledger.c.community, scope), ledger.c.at_ms >= from_ms, ledger.c.kind == "surplus")
            .order_by(ledger.c.at_ms.desc())
            .limit(limit)
        )
        found += [
            Evidence(
                f"{row.source}/{row.direction}", "tailgating", row.community, f"gate:{row.gate}", None, row.gate,
                row.at_ms, {"n": row.n, "direction": row.direction},
            )
            for row in bodies
        ]  # fmt: skip
        return sorted(found, key=lambda each: -each.at_ms)[:limit]

    def replace(
        self, tx: Connection, community: str, kinds: Sequence[str], from_ms: int, found: Sequence[Anomaly], now_ms: int
    ) -> int:
        mine = and_(anomalies.c.community == community, anomalies.c.kind.in_(kinds), anomalies.c.to_ms >= from_ms)
        known = _known(tx, mine)
        derived = {each.id: each for each in found}
        unseen = [name for name in derived if name not in known]
        for start in range(0, len(unseen), CHUNK):
            known |= _known(tx, anomalies.c.id.in_(unseen[start : start + CHUNK]))
        decided = _decided(tx, community, [each for each in found if each.id not in known])
        _withdraw(tx, [name for name in known if name not in derived])
        rows = [_row(each, _state(known.get(each.id), each.id in decided)) for each in derived.values()]
        new = [{**row, "found_ms": now_ms} for row in rows if row["id"] not in known]
        upsert(tx, anomalies, new, ("id",))
        # Most are as they were: whoever reports waits while they are written.
        for row in rows:
            if row["id"] in known and row != known[row["id"]]:
                tx.execute(update(anomalies).where(anomalies.c.id == row["id"]).values(row))
        return len(new) - len(decided)

    def cards(
        self, tx: Connection, scope: Scope, states: Sequence[str], limit: int, before: tuple[int, str] | None
    ) -> list[Card]:
        query = select(anomalies).where(within(anomalies.c.community, scope), anomalies.c.state.in_(states))
        if before is not None:
            at_ms, name = before
            same = and_(anomalies.c.to_ms == at_ms, anomalies.c.id < name)
            query = query.where(or_(anomalies.c.to_ms < at_ms, same))
        rows = tx.execute(query.order_by(anomalies.c.to_ms.desc(), anomalies.c.id.desc()).limit(limit)).all()
        last = _last_verdicts(tx, [row.id for row in rows])
        return [_card(row, last.get(row.id)) for row in rows]

    def card(self, tx: Connection, scope: Scope, anomaly: str) -> Card | None:
        query = select(anomalies).where(within(anomalies.c.community, scope), anomalies.c.id == anomaly)
        row = tx.execute(query).first()
        return None if row is None else _card(row, _last_verdicts(tx, [anomaly]).get(anomaly))

    def open_count(self, tx: Connection, scope: Scope) -> int:
        query = select(func.count()).where(within(anomalies.c.community, scope), anomalies.c.state == "open")
        return int(tx.execute(query).scalar_one())

    def decide(self, tx: Connection, verdict: Verdict, state: str) -> None:
        tx.execute(insert(verdicts), asdict(verdict))
        tx.execute(update(anomalies).where(anomalies.c.id == verdict.anomaly).values(state=state))

    def progress(self, tx: Connection, community: str) -> Progress | None:
        row = tx.execute(select(reviews).where(reviews.c.community == community)).first()
        return None if row is None else Progress(row.ranked_to_ms, row.history_days)

    def set_progress(self, tx: Connection, community: str, progress: Progress) -> None:
        upsert(tx, reviews, [{"community": community, **asdict(progress)}], ("community",))


def _passed(tx: Connection, query: Select[Any]) -> list[Passed]:
    rows = tx.execute(query.order_by(passages.c.key))
    return [Passed(row.subject, row.person, row.gate, row.direction, row.at_ms, id_triple(row.id)) for row in rows]


def _state(before: Mapping[str, Any] | None, decided: bool) -> str:
    # Withdrawn comes back as decided: somebody has said what it was already.
    if decided or (before is not None and before["state"] in ("decided", "withdrawn")):
        return "decided"
    return "open"


def _known(tx: Connection, which: ColumnElement[bool]) -> dict[str, dict[str, Any]]:
    """Rows by id, without when they were found: that stays."""
    columns = [column for column in anomalies.c if column.name != "found_ms"]
    return {row.id: dict(row._mapping) for row in tx.execute(select(*columns).where(which))}


def _decided(tx: Connection, community: str, new: Sequence[Anomaly]) -> set[str]:
    """New ids whose evidence somebody has judged already under another id: a late report re-keyed the card."""
    if not new:
        return set()
    judged: dict[tuple[str, str], set[Triple]] = defaultdict(set)
    query = select(verdicts.c.kind, verdicts.c.subject, verdicts.c.evidence).where(verdicts.c.community == community)
    for row in tx.execute(query):
        judged[row.kind, row.subject].update(_triples(row.evidence))
    return {each.id for each in new if judged[each.kind, each.subject] & set(each.evidence)}


def _withdraw(tx: Connection, names: Sequence[str]) -> None:
    for start in range(0, len(names), CHUNK):
        some = names[start : start + CHUNK]
        worked_on = select(verdicts.c.anomaly).where(verdicts.c.anomaly.in_(some))
        kept = and_(anomalies.c.id.in_(some), anomalies.c.id.in_(worked_on))
        tx.execute(update(anomalies).where(kept).values(state="withdrawn"))
        tx.execute(delete(anomalies).where(anomalies.c.id.in_(some), anomalies.c.id.not_in(worked_on)))


def _last_verdicts(tx: Connection, names: Sequence[str]) -> dict[str, Verdict]:
    rows = tx.execute(select(verdicts).where(verdicts.c.anomaly.in_(names)).order_by(verdicts.c.number))
    return {
        row.anomaly: Verdict(
            row.anomaly, row.community, row.kind, row.subject, row.verdict, row.note, row.account, row.at_ms,
            _triples(row.evidence),
        )
        for row in rows
    }  # fmt: skip


def _row(each: Anomaly, state: str) -> dict[str, Any]:
    """A row as it is read back, without when it was found."""
    return {**msgspec.json.decode(msgspec.json.encode(each)), "state": state}


def _card(row: Row[Any], verdict: Verdict | None) -> Card:
    fields = {column.name + "": row._mapping[column] for column in anomalies.c}
    state, found_ms = fields.pop("state"), fields.pop("found_ms")
    return Card(msgspec.convert(fields, Anomaly), state, found_ms, verdict)


def _triples(raw: Sequence[Sequence[Any]]) -> tuple[Triple, ...]:
    return tuple((str(device), int(boot), int(seq)) for device, boot, seq in raw)
