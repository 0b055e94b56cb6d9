"""The counts that the fold reads.

They lie in the order of time, all gates together. What many gates counted at the same time is read in one go; for a few
gates the index is read, and only their own rows. Aggregates are few and have an index of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table, and_, exists, func, select, true, tuple_

from community_flow.adapters.sql.asking import Asking, again, for_each, matching
from community_flow.adapters.sql.prepared import Row, prepared, value
from community_flow.adapters.sql.report_bodies import body_of
from community_flow.adapters.sql.tables_flow import voids
from community_flow.adapters.sql.tables_ingest import COUNTED, LONG_WINDOW_MS, long_window, reports, window_ms
from community_flow.domain.passages import key_at, report_key
from community_flow.domain.spans import Span, around, joined
from community_flow.ports.flow import Census, CountRow, Replacement, Side, SideSpan

r = reports.c
# The device wrote the start by its own clock, like `at`.
START_MS = (r.from_ms - r.skew_ms).label("start_ms")
_COUNT = (r.t_ms, r.device, r.boot, r.seq, r.n)

PASSED = 0.07
"""What it costs to pass over an entry of the index, against reading the row behind it."""


def live() -> ColumnElement[bool]:
    corrected = exists().where(voids.c.device == r.device, voids.c.boot == r.boot, voids.c.seq == r.seq)
    return and_(r.held.is_(False), ~corrected)


@dataclass(frozen=True, slots=True)
class _OfSides:
    """What was counted at some gates and directions: one way to ask where they have spans of their own, another where
    many share a stretch of time."""

    apart: Asking
    together: Asking


def _of_sides(columns: Sequence[Any], *which: ColumnElement[bool]) -> _OfSides:
    def build(asked: FromClause, *, together: bool) -> Select[Any]:
        # SQLite goes from an entry of the index to its row before it looks at the gate; unless the index alone is asked
        # first, what other gates counted would cost as much as what is wanted.
        i = reports.alias("entry").c if isinstance(asked, Table) else r
        same = and_(r.device == i.device, r.boot == i.boot, r.seq == i.seq) if i is not r else true()
        sides = again(asked, "sides").c
        named = select(sides.name, sides.direction).where(sides.name.is_not(None))

        def match(a: Any) -> ColumnElement[bool]:
            within = and_(i.community == a.community, i.t_ms.between(a.from_ms, a.to_ms), i.n.is_not(None))
            # As a value, or PostgreSQL would go through all sides for each row.
            one_of_many = tuple_(i.gate, i.direction).in_(named).is_(True)
            own = and_(i.gate == a.name, i.direction == a.direction)
            return and_(within, one_of_many if together else own, same, *which)

        return matching(asked, (r.gate, r.direction, r.t_ms, *columns), match)

    return _OfSides(Asking(partial(build, together=False)), Asking(partial(build, together=True)))


def _reaching(a: Any) -> ColumnElement[bool]:
    """Live aggregates of a gate and direction whose window meets a span. Those that came later than the longest window
    of the gate cannot: without that end a late report would be held against all that came after it."""
    side = and_(r.community == a.community, r.gate == a.name, r.direction == a.direction, r.kind == "count")
    ending = r.t_ms.between(a.from_ms, a.to_ms + func.coalesce(_longest_ms(a), LONG_WINDOW_MS))
    return and_(side, r.from_ms.is_not(None), ending, START_MS.element <= a.to_ms, live())


def _longest_ms(a: Any) -> Any:
    """The longest window of a gate's aggregates, where one is long."""
    long = reports.alias("long").c
    longest = select(func.max(window_ms(long)))
    of_gate = longest.where(long.community == a.community, long.gate == a.name, long_window(long))
    return of_gate.correlate(a.community.table).scalar_subquery()


_LIVE = (r.kind == "count", live())
_ANY = _of_sides(())
_COUNTS = _of_sides(_COUNT[1:], r.from_ms.is_(None), *_LIVE)
_REPLACING = _of_sides((r.device, r.boot, r.seq, r.body), r.body.contains('"replaces"'), *_LIVE)
_AGGREGATES = for_each((r.gate, r.direction, *_COUNT, START_MS), _reaching)
_CENSUSES = prepared(
    select(r.t_ms, r.device, r.boot, r.seq, r.n, r.body).where(
        r.community == value("community"), r.t_ms.between(value("from_ms"), value("to_ms")), COUNTED,
        r.kind == "census", live(),
    )
)  # fmt: skip


class SqlFoldCounts:
    def counts(self, tx: Connection, community: str, spans: Sequence[SideSpan]) -> list[tuple[Side, CountRow]]:
        return [_count(*row) for row in _within(_COUNTS, tx, community, spans)]

    def aggregates(self, tx: Connection, community: str, spans: Sequence[SideSpan]) -> list[tuple[Side, CountRow]]:
        return [_count(*row) for row in _AGGREGATES.rows(tx, side_rows(community, spans))]

    def replacing(self, tx: Connection, community: str, spans: Sequence[SideSpan]) -> list[Replacement]:
        return [
            Replacement((device, boot, seq), gate, direction, named.boot, named.from_, named.to)
            for gate, direction, _, device, boot, seq, body in _within(_REPLACING, tx, community, spans)
            if (named := body_of(body).replaces) is not None
        ]

    def counted(self, tx: Connection, community: str, spans: Sequence[SideSpan]) -> set[Side]:
        reaching = {side for side, _ in self.aggregates(tx, community, spans)}
        return reaching | {(row[0], row[1]) for row in _within(_ANY, tx, community, spans)}

    def censuses(self, tx: Connection, community: str, zone: str, span_ms: Span) -> list[Census]:
        rows = _CENSUSES.rows(tx, community=community, from_ms=span_ms[0], to_ms=span_ms[1])
        return [
            Census(report_key(t_ms, *triple), t_ms, n) for t_ms, *triple, n, body in rows if body_of(body).zone == zone
        ]


def _within(query: _OfSides, tx: Connection, community: str, spans: Sequence[SideSpan]) -> Iterable[Any]:
    """What lies in these spans, each of its own gate and direction, once."""
    of_side: dict[Side, list[Span]] = defaultdict(list)
    for span in spans:
        of_side[span.gate, span.direction].append((span.from_ms, span.to_ms))
    sides = {side: joined(found) for side, found in of_side.items()}
    stretches = joined((span.from_ms, span.to_ms) for span in spans)
    # How often each moment is asked for, and the cost of both ways in rows where all sides count alike.
    shared = sum(map(_length_ms, sides.values())) / _length_ms(stretches) if stretches else 0
    if shared * (PASSED + 1 / max(1, len(sides))) < PASSED + 1.2:
        apart = [SideSpan(*side, *ends) for side, found in sides.items() for ends in found]
        return query.apart.rows(tx, side_rows(community, apart))
    rows = query.together.rows(tx, _stretches_and_sides(community, stretches, sides))
    if all(len(found) == 1 for found in sides.values()):  # nearly always
        only = {side: found[0] for side, found in sides.items()}
        return [row for row in rows if (ends := only[row[0], row[1]])[0] <= row[2] <= ends[1]]
    return [row for row in rows if around(sides[row[0], row[1]], row[2])]


def _length_ms(spans: Iterable[Span]) -> int:
    return sum(last - first + 1 for first, last in spans)


def _stretches_and_sides(community: str, stretches: Iterable[Span], sides: Iterable[Side]) -> Iterable[Row]:
    for from_ms, to_ms in stretches:
        yield {"community": community, "from_ms": from_ms, "to_ms": to_ms}
    for gate, direction in sides:
        yield {"name": gate, "direction": direction}


def _count(
    gate: str, direction: str, t_ms: int, device: str, boot: int, seq: int, n: int, from_ms: int | None = None
) -> tuple[Side, CountRow]:
    return (gate, direction), CountRow(report_key(t_ms, device, boot, seq), t_ms, (device, boot, seq), n, from_ms)


def side_rows(community: str, spans: Iterable[SideSpan]) -> Iterable[Row]:
    """To ask for spans of gates. The community goes with each: were it a constant of the query, SQLite would begin with
    all that is of the community."""
    return (
        {
            "community": community, "name": span.gate, "direction": span.direction, "from_ms": span.from_ms,
            "to_ms": span.to_ms, "lo": key_at(span.from_ms), "hi": key_at(span.to_ms + 1),
        }
        for span in spans
    )  # fmt: skip
