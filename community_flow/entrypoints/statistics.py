"""Statistics and daily reports: page, chart data, files, JSON. One question type for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal, cast

import msgspec
from flask import Blueprint, g, render_template, request
from flask_babel import gettext, lazy_gettext
from werkzeug.wrappers import Response

from community_flow.domain.csv import Cell
from community_flow.domain.errors import Invalid, NotFound
from community_flow.domain.places import Community
from community_flow.domain.scope import Role
from community_flow.entrypoints.access import current_account, current_scope, roles
from community_flow.entrypoints.answers import json_response, parse
from community_flow.entrypoints.chosen import chosen_community
from community_flow.entrypoints.files import csv_response, xlsx_response
from community_flow.entrypoints.languages import language_now, place_name
from community_flow.ports import Clock
from community_flow.services.statistics import Asked, Measure, Statistics, StatTable

READERS = (Role.STEWARD, Role.MANAGER, Role.OFFICIAL)
DAYS_LISTED = 14
MEASURES = {
    "entries": lazy_gettext("Entries"),
    "exits": lazy_gettext("Exits"),
    "inside": lazy_gettext("People inside"),
    "dwell": lazy_gettext("Length of stay, minutes"),
}
GRAINS = {
    "hour": lazy_gettext("Hour"),
    "day": lazy_gettext("Day"),
    "hour_of_day": lazy_gettext("Hour of the day"),
    "weekday": lazy_gettext("Day of the week"),
}
WEEKDAYS = (
    lazy_gettext("Monday"), lazy_gettext("Tuesday"), lazy_gettext("Wednesday"), lazy_gettext("Thursday"),
    lazy_gettext("Friday"), lazy_gettext("Saturday"), lazy_gettext("Sunday"),
)  # fmt: skip


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What the page's form and the JSON address take; everything has a default."""

    community: str | None = None
    kind: Literal["gate", "zone"] | None = None
    by: Literal["hour", "day", "hour_of_day", "weekday"] = "day"
    measure: Literal["entries", "exits", "inside", "dwell"] = "entries"
    from_day: date | None = None
    to_day: date | None = None
    from_hour: int = 0
    to_hour: int = 24
    places: tuple[str, ...] = ()
    gate: str | None = None
    zone: str | None = None


class DayQuery(msgspec.Struct, frozen=True, kw_only=True):
    community: str | None = None


@dataclass(frozen=True)
class Day:
    """One line of the list of reports."""

    day: date
    entries: float | None
    exits: float | None


def blueprint(statistics: Statistics, clock: Clock) -> Blueprint:
    bp = Blueprint("statistics", __name__)
    pages = _Pages(statistics, clock)
    bp.add_url_rule("/statistics", "page", pages.page)
    bp.add_url_rule("/statistics.csv", "csv", pages.csv)
    bp.add_url_rule("/statistics.xlsx", "xlsx", pages.xlsx)
    bp.add_url_rule("/v1/statistics", "json", pages.json)
    bp.add_url_rule("/reports", "reports", pages.reports)
    bp.add_url_rule("/reports/<day>", "report", pages.report)
    return bp


class _Pages:
    def __init__(self, statistics: Statistics, clock: Clock) -> None:
        self.statistics, self.clock = statistics, clock

    @roles(*READERS)
    def page(self) -> Any:
        communities = self.statistics.communities(current_scope())
        if not communities:
            return render_template("statistics/nothing.html")
        problem, table = None, None
        asked = self._asked(parse(Query, request), communities)
        try:
            table = self.statistics.table(current_scope(), asked)
        except Invalid as refused:
            problem = refused
        places = self.statistics.places(current_scope(), asked.community, asked.kind)
        shown = render_template(
            "statistics/page.html", asked=asked, table=table, communities=communities, places=places, problem=problem,
            words=_Words, measures=MEASURES, grains=GRAINS, series=_series(table) if table else "",
            query=_query(asked), largest=_largest(table) if table else 0,
        )  # fmt: skip
        return (shown, problem.status) if problem else shown

    @roles(*READERS)
    def csv(self) -> Response:
        return self._file(csv_response)

    @roles(*READERS)
    def xlsx(self) -> Response:
        return self._file(xlsx_response)

    def _file(self, respond: Any) -> Response:
        communities = self.statistics.communities(current_scope())
        asked = self._asked(parse(Query, request), communities)
        table = self.statistics.exported(current_scope(), current_account().account, asked)
        name = f"{asked.community}-{asked.measure}-{asked.from_day}-{asked.to_day}"
        return cast(Response, respond(name, _header(table), _rows(table)))

    @roles(*READERS)
    def json(self) -> Response:
        communities = self.statistics.communities(current_scope())
        asked = self._asked(parse(Query, request), communities)
        return json_response(_json(self.statistics.table(current_scope(), asked)))

    @roles(*READERS)
    def reports(self) -> str:
        communities = self.statistics.communities(current_scope())
        if not communities:
            return render_template("statistics/nothing.html")
        community = self._chosen(parse(DayQuery, request).community, communities)
        today = self.statistics.today(communities[community])
        first = today - timedelta(days=DAYS_LISTED - 1)
        border = self.statistics.border(current_scope(), community)
        tables = [self._of(community, "gate", each, first, today, border) for each in ("entries", "exits")]
        totals = [table.row_totals or () for table in tables]
        days = [Day(date.fromisoformat(label), *each) for label, *each in zip(tables[0].labels, *totals, strict=True)]
        return render_template(
            "reports/list.html", days=days[::-1], today=today, communities=communities, community=community,
            exact=tables[0].exact,
        )  # fmt: skip

    @roles(*READERS)
    def report(self, day: str) -> str:
        communities = self.statistics.communities(current_scope())
        community = self._chosen(parse(DayQuery, request).community, communities)
        try:
            of_day = date.fromisoformat(day)
        except ValueError as error:
            raise NotFound("There is no report of that day: days are written 2026-11-23.") from error
        if of_day > self.statistics.today(communities[community]):
            raise NotFound("That day has not begun yet: choose an earlier one.")
        gates = {each: self._of(community, "gate", each, of_day, of_day) for each in ("entries", "exits")}
        before = of_day - timedelta(days=7)
        week = {each: self._of(community, "gate", each, before, before) for each in ("entries", "exits")}
        hours = self._of(community, "zone", "inside", of_day, of_day, by="hour")
        zones = {each: self._of(community, "zone", each, of_day, of_day) for each in ("entries", "dwell")}
        return render_template(
            "reports/day.html", day=of_day, community=communities[community], id=community, gates=gates, week=week,
            zones=zones, hours=hours, peaks=_peaks(hours), made_ms=self.clock.now_ms(), words=_Words, before=before,
        )  # fmt: skip

    def _of(
        self, community: str, kind: Literal["gate", "zone"], measure: str, first: date, last: date,
        places: tuple[str, ...] = (), by: Literal["day", "hour"] = "day",
    ) -> StatTable:  # fmt: skip
        asked = Asked(
            community=community,
            kind=kind,
            by=by,
            measure=cast(Measure, measure),
            from_day=first,
            to_day=last,
            places=places,
        )
        return self.statistics.table(current_scope(), asked)

    def _chosen(self, asked: str | None, communities: dict[str, Community]) -> str:
        if asked and asked not in communities:
            raise NotFound("There is no such community here.")
        if not communities:
            raise NotFound("There is no community here yet: set one up first.")
        found = chosen_community(asked, communities) or min(communities)
        g.timezone = communities[found].timezone
        return found

    def _asked(self, query: Query, communities: dict[str, Community]) -> Asked:
        community = self._chosen(query.community, communities)
        today = self.statistics.today(communities[community])
        kind = query.kind or ("zone" if query.zone or query.measure in ("inside", "dwell") else "gate")
        places = query.places or tuple(each for each in (query.gate or query.zone,) if each)
        span = 1 if query.by == "hour" else 13
        to_day = query.to_day or today
        first = to_day - timedelta(days=span) if to_day.year > 1 else to_day
        return Asked(
            community=community, kind=kind, by=query.by, measure=query.measure, to_day=to_day,
            from_day=query.from_day or first, from_hour=query.from_hour,
            to_hour=query.to_hour, places=places,
        )  # fmt: skip


class _Words:
    """Labels of rows as a reader expects them."""

    @staticmethod
    def row(table: StatTable, label: str) -> str:
        by = table.asked.by
        if by == "weekday":
            return str(WEEKDAYS[int(label) - 1])
        if by == "hour":
            return _hour(table, label)
        return label

    @staticmethod
    def place(table: StatTable, place: str) -> str:
        return place_name(table.places[place])


def _hour(table: StatTable, label: str) -> str:
    """2026-11-23 14:00; with its offset where the clock is changed and an hour comes twice."""
    short = label[:16].replace("T", " ")
    twice = sum(each[:16] == label[:16] for each in table.labels) > 1
    return f"{short} {label[16:]}" if twice else short


def _header(table: StatTable) -> list[str]:
    first = str(GRAINS[table.asked.by])
    names = [f"{place_name(names)} ({place})" for place, names in table.places.items()]
    total = [gettext("Total")] if table.row_totals is not None else []
    return [first, *names, *total]


def _rows(table: StatTable) -> Iterator[list[Cell]]:
    """Hidden cells say so: an empty cell would read as zero."""
    for n, label in enumerate(table.labels):
        cells = [*table.cells[n], *([table.row_totals[n]] if table.row_totals is not None else [])]
        yield [_Words.row(table, label), *(_cell(table, n, m, cell) for m, cell in enumerate(cells))]
    if table.column_totals is not None:
        yield [
            gettext("Total"),
            *(gettext("hidden") if each is None else each for each in (*table.column_totals, table.total)),
        ]


def _cell(table: StatTable, row: int, column: int, value: float | None) -> Cell:
    if value is not None:
        return value
    inner = column < len(table.places)
    return gettext("hidden") if not inner or table.hidden[row][column] else None


def _series(table: StatTable) -> str:
    """What the chart draws: labels, seconds (or null), and per place its name and values."""
    columns = list(zip(*table.cells, strict=True)) if table.cells else [()] * len(table.places)
    body = {
        "labels": [_Words.row(table, label) for label in table.labels],
        "places": [place_name(names) for names in table.places.values()],
        "values": columns,
    }
    return msgspec.json.encode(body).decode()


def _largest(table: StatTable) -> float:
    return max((cell for row in table.cells for cell in row if cell is not None), default=0)


def _peaks(hours: StatTable) -> dict[str, tuple[float, str] | None]:
    """Per zone the largest hourly mean and its hour."""
    found: dict[str, tuple[float, str] | None] = {}
    for column, place in enumerate(hours.places):
        values = [(row[column], label) for row, label in zip(hours.cells, hours.labels, strict=True)]
        known = [(value, label) for value, label in values if value]
        found[place] = max(known, key=lambda each: each[0], default=None)
    return found


def _query(asked: Asked) -> dict[str, object]:
    """The question as an address's query."""
    fields = ("community", "kind", "by", "measure", "from_day", "to_day", "from_hour", "to_hour")
    return {name: str(getattr(asked, name)) for name in fields} | {"places": list(asked.places)}


def _json(table: StatTable) -> dict[str, object]:
    """{"items": [{label, start_ms, values: {place: n | null}, …}], …}; null is hidden where ``exact`` is false."""
    items = [
        {
            "label": label, "start_ms": table.starts_ms[n],
            "values": dict(zip(table.places, table.cells[n], strict=True)),
            **({"low": dict(zip(table.places, table.low[n], strict=True))} if table.low else {}),
            **({"high": dict(zip(table.places, table.high[n], strict=True))} if table.high else {}),
            **({"total": table.row_totals[n]} if table.row_totals is not None else {}),
        }
        for n, label in enumerate(table.labels)
    ]  # fmt: skip
    totals = None
    if table.column_totals is not None:
        totals = {"values": dict(zip(table.places, table.column_totals, strict=True)), "total": table.total}
    return {
        "community": table.asked.community, "measure": table.asked.measure, "by": table.asked.by, "exact": table.exact,
        "hidden_cells": table.hidden_cells, "rounded_to": 1 if table.exact else 5, "as_of_ms": table.as_of_ms,
        "language": language_now(), "items": items, "totals": totals, "next": None,
    }  # fmt: skip
