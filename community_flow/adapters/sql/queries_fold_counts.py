"""The counts that the fold reads.

They are found by their time, and then by their gate: what many gates counted at the same time lies together, so it is
read in one go for all of them. Aggregates are few and have an index of their own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, exists, select, tuple_

from community_flow.adapters.sql.asking import Asking, again, for_each, matching
from community_flow.adapters.sql.prepared import Row, prepared, value
from community_flow.adapters.sql.report_bodies import body_of
from community_flow.adapters.sql.tables_flow import voids
from community_flow.adapters.sql.tables_ingest import COUNTED, reports
from community_flow.domain.passages import key_at, report_key
from community_flow.ports.flow import Census, CountRow, Replacement, Side, SideSpan

r = reports.c
# The device wrote the start by its own clock, like `at`.
START_MS = (r.from_ms - r.skew_ms).label("start_ms")
_COUNT = (r.t_ms, r.device, r.boot, r.seq, r.n)


def live() -> ColumnElement[bool]:
    corrected = exists().where(voids.c.device == r.device, voids.c.boot == r.boot, voids.c.seq == r.seq)
    return and_(r.held.is_(False), ~corrected)


def _of_sides(columns: Sequence[Any], *which: ColumnElement[bool]) -> Asking:
    """What was counted at some gates and directions within some stretches of time: `_stretches_and_sides` asks."""

    def build(asked: FromClause) -> Select[Any]:
        sides = again(asked, "sides").c
        named = select(sides.name, sides.direction).where(sides.name.is_not(None))

        def match(a: Any) -> ColumnElement[bool]:
            within = and_(r.community == a.community, r.t_ms.between(a.from_ms, a.to_ms), COUNTED)
            # As a value, or PostgreSQL would go through all sides for each row.
            return and_(within, tuple_(r.gate, r.direction).in_(named).is_(True), *which)

        return matching(asked, (r.gate, r.direction, r.t_ms, *columns), match)

    return Asking(build)


def _reaching(a: Any) -> ColumnElement[bool]:
    """Live aggregates of a gate and direction whose window meets a span."""
    side = and_(r.community == a.community, r.gate == a.name, r.direction == a.direction, r.kind == "count")
    return and_(side, r.from_ms.is_not(None), r.t_ms >= a.from_ms, START_MS.element <= a.to_ms, live())


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

    def censuses(self, tx: Connection, community: str, zone: str, span_ms: tuple[int, int]) -> list[Census]:
        rows = _CENSUSES.rows(tx, community=community, from_ms=span_ms[0], to_ms=span_ms[1])
        return [
            Census(report_key(t_ms, *triple), t_ms, n) for t_ms, *triple, n, body in rows if body_of(body).zone == zone
        ]


def _within(query: Asking, tx: Connection, community: str, spans: Sequence[SideSpan]) -> Iterable[Any]:
    """What lies in these spans, each of its own gate and direction."""
    of_side: dict[Side, list[tuple[int, int]]] = defaultdict(list)
    for span in spans:
        of_side[span.gate, span.direction].append((span.from_ms, span.to_ms))
    joined = {side: _joined(found) for side, found in of_side.items()}
    stretches = _joined((span.from_ms, span.to_ms) for span in spans)
    rows = query.rows(tx, _stretches_and_sides(community, stretches, joined))
    if all(len(found) == 1 for found in joined.values()):  # nearly always
        only = {side: found[0] for side, found in joined.items()}
        return [row for row in rows if (ends := only[row[0], row[1]])[0] <= row[2] <= ends[1]]
    return [row for row in rows if _holds(joined[row[0], row[1]], row[2])]


def _stretches_and_sides(community: str, stretches: Iterable[tuple[int, int]], sides: Iterable[Side]) -> Iterable[Row]:
    for from_ms, to_ms in stretches:
        yield {"community": community, "from_ms": from_ms, "to_ms": to_ms}
    for gate, direction in sides:
        yield {"name": gate, "direction": direction}


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in the order of time that do not meet, both ends of each included."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def _holds(spans: Sequence[tuple[int, int]], t_ms: int) -> bool:
    place = bisect_right(spans, t_ms, key=_first) - 1
    return place >= 0 and t_ms <= spans[place][1]


def _first(span: tuple[int, int]) -> int:
    return span[0]


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
