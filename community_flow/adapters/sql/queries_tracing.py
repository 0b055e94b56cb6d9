"""Orders, cases and the columns a contact search reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

from community_flow.adapters.sql.driver import batched
from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_cases import cases, decisions, notices, openings, orders
from community_flow.adapters.sql.tables_flow import passages, visits
from community_flow.adapters.sql.tables_registry import people
from community_flow.domain.exposures import CERTAINTIES, COLUMNS, Visits
from community_flow.domain.scope import Scope
from community_flow.ports.cases import Case, Decision, Identity, Notice, Opening, Order, Stay, VisitTable

CHUNK = 100


class SqlOrders:
    def add(self, tx: Connection, order: Order) -> None:
        tx.execute(insert(orders), asdict(order))

    def end(self, tx: Connection, order_id: str, now_ms: int) -> None:
        tx.execute(update(orders).where(orders.c.order_id == order_id).values(ended_ms=now_ms))

    def one(self, tx: Connection, order_id: str) -> Order | None:
        row = tx.execute(select(orders).where(orders.c.order_id == order_id)).first()
        return None if row is None else Order(**row._mapping)

    def all(self, tx: Connection) -> list[Order]:
        rows = tx.execute(select(orders).order_by(orders.c.recorded_ms.desc(), orders.c.order_id))
        return [Order(**row._mapping) for row in rows]

    def tell(self, tx: Connection, told: Sequence[Notice]) -> None:
        if told:
            tx.execute(insert(notices), [asdict(each) for each in told])

    def notices(self, tx: Connection, scope: Scope, limit: int) -> list[Notice]:
        newest_first = select(notices).order_by(notices.c.at_ms.desc(), notices.c.notice_id).limit(limit)
        return [Notice(**row._mapping) for row in tx.execute(newest_first.where(within(notices.c.community, scope)))]


class SqlCases:
    def add(self, tx: Connection, case: Case) -> None:
        tx.execute(insert(cases), asdict(case))

    def numbers(self, tx: Connection, community: str, start: str) -> int:
        mine = and_(cases.c.community == community, cases.c.number.startswith(start, autoescape=True))
        return int(tx.execute(select(func.count()).select_from(cases).where(mine)).scalar_one())

    def one(self, tx: Connection, scope: Scope, authority: str, case_id: str) -> Case | None:
        row = tx.execute(select(cases).where(_own(scope, authority), cases.c.case_id == case_id)).first()
        return None if row is None else _case(row)

    def of_authority(self, tx: Connection, scope: Scope, authority: str) -> list[Case]:
        newest_first = select(cases).order_by(cases.c.opened_ms.desc(), cases.c.case_id)
        return [_case(row) for row in tx.execute(newest_first.where(_own(scope, authority)))]

    def decide(self, tx: Connection, decision: Decision) -> None:
        upsert(tx, decisions, [asdict(decision)], ("case_id", "person"))

    def decisions(self, tx: Connection, case_id: str) -> dict[str, Decision]:
        rows = tx.execute(select(decisions).where(decisions.c.case_id == case_id))
        return {row.person: Decision(**row._mapping) for row in rows}

    def ask(self, tx: Connection, opening: Opening) -> None:
        tx.execute(insert(openings), asdict(opening))

    def answer(self, tx: Connection, opening: Opening) -> bool:
        open_still = and_(openings.c.opening_id == opening.opening_id, openings.c.state == "asked")
        answered = {
            "state": opening.state,
            "answered_by": opening.answered_by,
            "answered_ms": opening.answered_ms,
        }
        return tx.execute(update(openings).where(open_still).values(answered)).rowcount == 1

    def openings(self, tx: Connection, case_id: str) -> list[Opening]:
        oldest_first = select(openings).order_by(openings.c.asked_ms, openings.c.opening_id)
        rows = tx.execute(oldest_first.where(openings.c.case_id == case_id))
        return [Opening(**{**row._mapping, "persons": tuple(row.persons)}) for row in rows]


class SqlMovements:
    def stays(self, tx: Connection, scope: Scope, person: str, from_ms: int, to_ms: int) -> list[Stay]:
        touching = and_(
            within(visits.c.community, scope),
            visits.c.subject == person,
            visits.c.person == person,
            visits.c.entered_ms < to_ms,
            visits.c.until_ms > from_ms,
        )
        columns = (
            visits.c.zone, visits.c.entered_ms, visits.c.left_ms, visits.c.left_earliest_ms,
            visits.c.left_latest_ms, visits.c.certainty,
        )  # fmt: skip
        rows = tx.execute(select(*columns).where(touching).order_by(visits.c.entered_ms, visits.c.zone))
        return [Stay(*row) for row in rows]

    def visits(self, tx: Connection, scope: Scope, zones: Collection[str], from_ms: int, to_ms: int) -> VisitTable:
        touching = and_(
            within(visits.c.community, scope),
            visits.c.zone.in_(sorted(zones)),
            visits.c.entered_ms < to_ms,
            visits.c.until_ms > from_ms,
            visits.c.person.is_not(None),
        )
        columns = (
            visits.c.person, visits.c.zone, visits.c.entered_ms, visits.c.left_earliest_ms, visits.c.until_ms,
            visits.c.certainty,
        )  # fmt: skip
        return _table(tuple(row) for row in tx.execute(select(*columns).where(touching)))

    def passed(self, tx: Connection, scope: Scope, person: str, from_ms: int, to_ms: int) -> list[tuple[str, int]]:
        mine = and_(
            within(passages.c.community, scope),
            passages.c.subject == person,
            passages.c.at_ms.between(from_ms, to_ms),
        )
        rows = tx.execute(select(passages.c.gate, passages.c.at_ms).where(mine).order_by(passages.c.key))
        return [(row.gate, row.at_ms) for row in rows]

    def passages_near(
        self, tx: Connection, scope: Scope, moments: Sequence[tuple[str, int]], within_ms: int
    ) -> VisitTable:
        found: dict[tuple[str, str, str, int], None] = {}
        for chunk in batched(moments, CHUNK):
            found.update(dict.fromkeys(_near(tx, scope, chunk, within_ms)))
        return _table((who, f"{gate}/{way}", at, at, at, "possible") for who, gate, way, at in found)

    def identities(self, tx: Connection, scope: Scope, persons: Collection[str]) -> dict[str, Identity]:
        return {each.person: each for each in self._people(tx, scope, people.c.person.in_(sorted(persons)))}

    def named(self, tx: Connection, scope: Scope, name: str) -> list[Identity]:
        return self._people(tx, scope, people.c.name == name)

    def _people(self, tx: Connection, scope: Scope, which: ColumnElement[bool]) -> list[Identity]:
        rows = select(people.c.person, people.c.name, people.c.phone).where(within(people.c.community, scope), which)
        kept = rows.where(people.c.erased_ms.is_(None)).order_by(people.c.person)
        return [Identity(row.person, row.name, None, row.phone) for row in tx.execute(kept)]


def _near(
    tx: Connection, scope: Scope, moments: Sequence[tuple[str, int]], within_ms: int
) -> list[tuple[str, str, str, int]]:
    ranges = (
        and_(passages.c.gate == gate, passages.c.at_ms.between(at - within_ms, at + within_ms)) for gate, at in moments
    )
    there = and_(within(passages.c.community, scope), passages.c.person.is_not(None), or_(*ranges))
    columns = (passages.c.person, passages.c.gate, passages.c.direction, passages.c.at_ms)
    return [(who, gate, way, at) for who, gate, way, at in tx.execute(select(*columns).where(there))]


def _own(scope: Scope, authority: str) -> ColumnElement[bool]:
    return and_(within(cases.c.community, scope), cases.c.authority == authority)


def _case(row: Row[Any]) -> Case:
    return Case(**{**row._mapping, "kinds": tuple(row.kinds)})


def _table(rows: Iterable[tuple[str, str, int, int, int, str]]) -> VisitTable:
    """(person, zone, entered, certain, possible, certainty) as columns."""
    people_seen: dict[str, int] = {}
    zones_seen: dict[str, int] = {}
    columns: list[list[int]] = [[] for _ in COLUMNS]
    add_person, add_zone, add_entered, add_certain, add_possible, add_certainty = (each.append for each in columns)
    for person, zone, entered, certain, possible, certainty in rows:
        add_person(people_seen.setdefault(person, len(people_seen)))
        add_zone(zones_seen.setdefault(zone, len(zones_seen)))
        add_entered(entered)
        add_certain(certain)
        add_possible(possible)
        add_certainty(CERTAINTIES.index(certainty))
    found = Visits(*(np.array(each, dtype=np.int64) for each in columns))
    return VisitTable(tuple(people_seen), tuple(zones_seen), found)
