"""Reading and writing what names people, joined with the registry as of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, false, func, insert, or_, select, update

from community_flow.adapters.sql.driver import batched
from community_flow.adapters.sql.metadata import within
from community_flow.adapters.sql.queries_registry import CHUNK
from community_flow.adapters.sql.store import upsert
from community_flow.adapters.sql.tables_registry import current, data_requests, people
from community_flow.domain.places import Household, Person
from community_flow.domain.scope import Scope
from community_flow.ports.people import Found, PersonRow, Wanted

_HOME = current.alias("home")
_NAMED = ("name", "initials", "phone", "note", "created_ms", "erased_ms")
SHORTEST_PHONE_END = 4


class SqlPeople:
    def add(self, tx: Connection, rows: Sequence[PersonRow]) -> None:
        if rows:
            tx.execute(insert(people), [asdict(row) for row in rows])

    def save(self, tx: Connection, rows: Sequence[PersonRow]) -> None:
        upsert(tx, people, [asdict(row) for row in rows], ("person",))
        erased = [row.person for row in rows if row.erased_ms is not None]
        for chunk in batched(erased, CHUNK):  # what they wrote to the office may name them
            tx.execute(update(data_requests).where(data_requests.c.person.in_(chunk)).values(text="", answer=None))

    def find(self, tx: Connection, scope: Scope, wanted: Wanted) -> list[Found]:
        query = _everybody(scope)
        if wanted.text:
            query = query.where(_fits(wanted.text))
        if wanted.unit is not None:
            query = query.where(_HOME.c.owner == wanted.unit)
        found = (_found(row) for row in tx.execute(query))
        return [each for each in found if _wanted(each, wanted)]

    def of_ids(self, tx: Connection, scope: Scope, persons: Sequence[str]) -> dict[str, Found]:
        found = {}
        for chunk in batched(persons, CHUNK):
            for row in tx.execute(_everybody(scope).where(current.c.entity.in_(chunk))):
                found[row.person] = _found(row)
        return found


def _everybody(scope: Scope) -> Select[Any]:
    """Persons of the journal as of now, with what names them and where they live."""
    named = and_(people.c.person == current.c.entity, people.c.community == current.c.community)
    lives = and_(
        _HOME.c.community == current.c.community, _HOME.c.kind == "household", _HOME.c.entity == current.c.owner
    )
    mine = [within(current.c.community, scope), current.c.kind == "person"]
    if scope.person is not None:
        mine.append(current.c.entity == scope.person)
    return (
        select(
            current.c.community,
            current.c.entity.label("person"),
            current.c.data.label("state"),
            _HOME.c.data.label("home"),
            *(people.c[name] for name in _NAMED),
        )
        .select_from(current.outerjoin(people, named).outerjoin(_HOME, lives))
        .where(*mine)
    )


def _fits(text: str) -> ColumnElement[bool]:
    """A name's part, initials from their start, a telephone number's end, a unit from its start."""
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    ways: list[ColumnElement[bool]] = [func.lower(people.c.name).like(f"%{escaped.lower()}%", escape="\\")]
    if text.isascii() and text.isalpha():
        ways.append(people.c.initials.like(f"{escaped.lower()}%", escape="\\"))
    if text.isdecimal() and len(text) >= SHORTEST_PHONE_END:
        ways.append(people.c.phone.like(f"%{escaped}", escape="\\"))
    if any(letter.isdecimal() for letter in text):
        ways.append(_HOME.c.owner.like(f"{escaped.upper()}%", escape="\\"))
    return or_(false(), *ways)


def _found(row: Any) -> Found:
    names = {name: getattr(row, name) for name in _NAMED}
    named = None if row.name is None else PersonRow(community=row.community, person=row.person, **names)
    home = msgspec.convert(row.home, Household) if row.home else None
    return Found(row.community, row.person, msgspec.convert(row.state, Person), home, named)


def _wanted(found: Found, wanted: Wanted) -> bool:
    building = found.household.building if found.household else None
    return (
        found.state.status in wanted.statuses
        and (wanted.types is None or found.state.type in wanted.types)
        and (wanted.buildings is None or building in wanted.buildings)
    )
