"""What waits to be folded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Text, and_, delete, func, literal, select, text

from community_flow.adapters.sql.asking import Asking, matching
from community_flow.adapters.sql.driver import Driver
from community_flow.adapters.sql.mark_packs import PACK_COLUMNS, packs, unpacked
from community_flow.adapters.sql.prepared import prepared, value
from community_flow.adapters.sql.tables_flow import OF_JOURNAL, dirty
from community_flow.domain.marks import GATE, Mark, joined
from community_flow.ports.flow import Kin

LEAST_SIDE_MARKS, MOST_SIDE_MARKS, SIDE_MARKS = 24, 200, 3
"""Marks of one gate and direction in one slice: three times as many as subjects, since each may cost as much as one of
them."""

MOST_PACKS, MOST_PACKED_BYTES = 512, 1_048_576
"""Rows of many marks that a slice unpacks, and how much may lie in them: ten thousand marks, some 35 ms. A flood is
soon unpacked as a whole, and then all marks of a subject are taken together."""

MARK_COLUMNS = {"community": "text", "subject": "text", "lo": "bytea", "hi": "bytea", "cause": "text"}

d, w = dirty.c, dirty.alias("waiting").c

_HERE = d.community == value("community")
_WAITING = select(d.subject).where(_HERE, d.subject.is_not(None)).order_by(d.id).limit(value("most"))


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
        .offset(value("most"))
        .correlate(asked)
        .scalar_subquery(),
    )
)
_OF_SIDE = and_(_HERE, d.subject == value("side"))
_FIRST_OF_SIDE = select(d.id).where(_OF_SIDE).order_by(d.lo).limit(value("most"))
_TAKE_SIDE = prepared(delete(dirty).where(_OF_SIDE, d.id.in_(_FIRST_OF_SIDE)).returning(*_MARK))


def _packed() -> Any:
    """Takes the oldest rows that hold many marks, as long as those before them are not more than a slice can have."""
    oldest = select(d.id, func.length(d.marks).label("size")).where(_HERE, d.subject.is_(None))
    some = oldest.order_by(d.id).limit(MOST_PACKS).subquery()
    before = func.sum(some.c.size).over(order_by=some.c.id) - some.c.size
    placed = select(some.c.id, before.label("before")).subquery()
    chosen = select(placed.c.id).where(placed.c.before < MOST_PACKED_BYTES)
    # Said once more outside, or PostgreSQL holds every row of the queue against those that were chosen.
    return delete(dirty).where(_HERE, d.subject.is_(None), d.id.in_(chosen)).returning(d.marks)


_TAKE_PACKED = prepared(_packed())
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
        most = min(MOST_SIDE_MARKS, max(LEAST_SIDE_MARKS, SIDE_MARKS * subjects))
        crowded = self._crowded(tx, community, [name for name in names if name.startswith(GATE)], most)
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
            sides += self._earliest(tx, community, side, most)
        return [*taken.values(), *sides]

    def _crowded(self, tx: Connection, community: str, sides: Sequence[str], most: int) -> set[str]:
        """Gates and directions with more marks than one slice should take."""
        rows = _CROWDED.rows(tx, ({"name": side} for side in sides), community=community, most=most)
        return {side for side, one_more in rows if one_more}

    def _earliest(self, tx: Connection, community: str, side: str, most: int) -> list[Mark]:
        return [Mark(*row) for row in _TAKE_SIDE.rows(tx, community=community, side=side, most=most)]

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
        rows = [(community, mark.subject, mark.lo, mark.hi, mark.cause) for mark in marks]
        Driver.of(tx).bulk("dirty", MARK_COLUMNS, rows)

    def put_last(self, tx: Connection, community: str, marks: Iterable[Mark]) -> None:
        Driver.of(tx).bulk("dirty", PACK_COLUMNS, packs((community, mark) for mark in marks))

    def unpack(self, tx: Connection, community: str) -> bool:
        rows = _TAKE_PACKED.rows(tx, community=community)
        self.put(tx, community, joined(mark for (packed,) in rows for mark in unpacked(packed)))
        return len(rows) == MOST_PACKS or sum(len(packed) for (packed,) in rows) >= MOST_PACKED_BYTES

    def exceeds(self, tx: Connection, community: str, marks: int) -> bool:
        return bool(_ONE_MORE.rows(tx, community=community, marks=marks))


def _widen(taken: dict[str, Mark], mark: Mark) -> None:
    known = taken.get(mark.subject)
    if known is not None:
        mark = Mark(mark.subject, min(known.lo, mark.lo), max(known.hi, mark.hi), known.cause)
    taken[mark.subject] = mark
