"""How many came, went, were inside and how long they stayed: exact in one's own scope, suppressed for free queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np

from community_flow.domain.disclosure import hidden, rounded, small, with_totals
from community_flow.domain.errors import Invalid, NotFound
from community_flow.domain.exposures import MINUTE_MS, Floats, Ints
from community_flow.domain.footfall import (
    HOUR_MS,
    Grain,
    HourCount,
    PlaceKind,
    day_of,
    day_start_ms,
    hour_of,
    label_of,
    labels_between,
    tabled,
)
from community_flow.domain.places import OUTSIDE, Community, Gate, Names, Zone
from community_flow.domain.scope import Role, Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.statistics import FootfallStore
from community_flow.services.footfall import Footfall
from community_flow.services.registry import Registry

Measure: TypeAlias = Literal["entries", "exits", "inside", "dwell"]
LONGEST_DAYS: dict[str, int] = {"hour": 31, "day": 366, "hour_of_day": 366, "weekday": 366}
YEARS = (2000, 2199)
Cell: TypeAlias = float | None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One table: a measure of places over buckets of time. Days are the community's, both included."""

    community: str
    kind: PlaceKind = "gate"
    by: Grain = "day"
    measure: Measure = "entries"
    from_day: date
    to_day: date
    from_hour: int = 0
    to_hour: int = 24
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class StatTable:
    """Rows are ``labels``, columns ``places``. A cell is None where it is hidden (``exact`` false) or nothing is known.

    ``totals`` of rows and columns exist for entries and exits only. ``low`` and ``high`` bound people inside.
    ``starts_ms`` has the first moment of each row where rows are stretches of time.
    """

    asked: Asked
    community: Community
    labels: tuple[str, ...]
    starts_ms: tuple[int, ...]
    places: Mapping[str, Names]
    cells: tuple[tuple[Cell, ...], ...]
    row_totals: tuple[Cell, ...] | None
    column_totals: tuple[Cell, ...] | None
    total: Cell
    low: tuple[tuple[Cell, ...], ...] | None
    high: tuple[tuple[Cell, ...], ...] | None
    exact: bool
    hidden_cells: int
    hidden: tuple[tuple[bool, ...], ...]
    as_of_ms: int


@dataclass(frozen=True)
class _Window:
    """The hours of a question and how they are labelled."""

    asked: Asked
    zone: ZoneInfo
    cutoff_hour: int
    from_ms: int
    to_ms: int
    labels: list[str]

    def label(self, hour_ms: int) -> str:
        local = label_of(hour_ms, "hour_of_day", self.zone, self.cutoff_hour)
        if not self.asked.from_hour <= int(local[:2]) < self.asked.to_hour:
            return ""
        return label_of(hour_ms, self.asked.by, self.zone, self.cutoff_hour)

    def starts(self) -> tuple[int, ...]:
        found: dict[str, int] = {}
        for hour in range(self.from_ms, self.to_ms, HOUR_MS):
            found.setdefault(self.label(hour), hour)
        return tuple(found[label] for label in self.labels)

    def elapsed_ms(self, now_ms: int) -> Ints:
        """How much time of each row has passed."""
        found = dict.fromkeys(self.labels, 0)
        for hour in range(self.from_ms, min(self.to_ms, now_ms), HOUR_MS):
            label = self.label(hour)
            if label:
                found[label] += min(HOUR_MS, now_ms - hour)
        return np.array(list(found.values()), dtype=np.int64)


class Statistics:
    def __init__(
        self, db: Database, store: FootfallStore, footfall: Footfall, registry: Registry, audit: AuditLog, clock: Clock
    ) -> None:
        self.db, self.store, self.footfall = db, store, footfall
        self.registry, self.audit, self.clock = registry, audit, clock

    def table(self, scope: Scope, asked: Asked) -> StatTable:
        """The answer; raises NotFound for a foreign community, Invalid for a question that cannot be answered."""
        with self.db.read() as tx:
            community = self._community(tx, scope, asked.community)
            if self.footfall.fresh(tx, asked.community) is not None:
                return self._table(tx, scope, asked, community)
        with self.db.write() as tx:
            return self._table(tx, scope, asked, community)

    def exported(self, scope: Scope, account: str, asked: Asked) -> StatTable:
        """The same table for a file, which leaves the house: logged."""
        with self.db.write() as tx:
            table = self._table(tx, scope, asked, self._community(tx, scope, asked.community))
            detail = {"kind": asked.kind, "by": asked.by, "measure": asked.measure, "exact": table.exact}
            look = Look(
                account=account, role=scope.role, action="statistics.export", community=asked.community, detail=detail
            )
            self.audit.append(tx, look)
        return table

    def communities(self, scope: Scope) -> dict[str, Community]:
        with self.db.read() as tx:
            return self.registry.communities(tx, scope)

    def places(self, scope: Scope, community: str, kind: PlaceKind) -> dict[str, Names]:
        """What the scope may ask about: of a steward's grids, of a guard's gates."""
        with self.db.read() as tx:
            return self._places(tx, scope.narrowed(community), kind)

    def border(self, scope: Scope, community: str) -> tuple[str, ...]:
        """The gates between a community and the outside: those whose sum is people who came or went."""
        with self.db.read() as tx:
            own = self._places(tx, scope.narrowed(community), "gate")
            gates = self.registry.gates(tx, scope.narrowed(community))
        return tuple(gate for (_, gate), data in gates.items() if data.outer == OUTSIDE and gate in own)

    def today(self, community: Community) -> date:
        return day_of_now(self.clock.now_ms(), community)

    def _community(self, tx: Transaction, scope: Scope, community: str) -> Community:
        found = self.registry.communities(tx, scope).get(community) if scope.sees(community) else None
        if found is None:
            raise NotFound("There is no such community here.")
        return found

    def _table(self, tx: Transaction, scope: Scope, asked: Asked, community: Community) -> StatTable:
        _check(asked)
        mine = scope.narrowed(asked.community)
        as_of_ms = self.footfall.refresh(tx, asked.community)
        window = _window(asked, community, as_of_ms)
        places = self._places(tx, mine, asked.kind)
        if asked.places:
            if not set(asked.places) <= set(places):
                raise NotFound("There is no such place here.")
            places = {name: places[name] for name in asked.places}
        rows = self.store.rows(tx, mine, asked.kind, window.from_ms, window.to_ms)
        return _Answer(window, community, places, rows, as_of_ms, scope.role is not Role.OFFICIAL).table()

    def _places(self, tx: Transaction, scope: Scope, kind: PlaceKind) -> dict[str, Names]:
        zones = {zone: data for (_, zone), data in self.registry.zones(tx, scope).items()}
        own = self._own_zones(tx, scope, zones)
        gates: dict[str, Gate] = {gate: data for (_, gate), data in self.registry.gates(tx, scope).items()}
        if kind == "zone":  # without a gate of its own a zone has no visits: a 0 there would say that it was empty
            watched = own & {data.inner for data in gates.values()}
            return {zone: data.names for zone, data in zones.items() if zone in watched and data.kind != "home"}
        return {
            gate: data.names
            for gate, data in gates.items()
            if (scope.gates is None or gate in scope.gates) and (scope.grids is None or data.inner in own)
        }

    def _own_zones(self, tx: Transaction, scope: Scope, zones: Mapping[str, Zone]) -> set[str]:
        if scope.grids is None:
            return set(zones)
        rows = self.registry.store.current(tx, scope, "grid")
        return {zone for _, grid, data in rows if grid in scope.grids for zone in data.zones}


@dataclass(frozen=True)
class _Answer:
    """Turns hourly rows into one table."""

    window: _Window
    community: Community
    places: Mapping[str, Names]
    rows: list[HourCount]
    as_of_ms: int
    exact: bool

    def table(self) -> StatTable:
        measure = self.window.asked.measure
        if measure == "inside":
            return self._inside()
        if measure == "dwell":
            return self._dwell()
        return self._counts()

    def _sums(self, value: Callable[[HourCount], int]) -> Ints:
        return tabled(self.rows, self.window.labels, list(self.places), self.window.label, value)

    def _counts(self) -> StatTable:
        name = self.window.asked.measure
        table = with_totals(self._sums(lambda row: row.entries if name == "entries" else row.exits))
        mask = np.zeros(table.shape, bool) if self.exact else hidden(table)
        shown = table if self.exact else rounded(table)
        cells = _cells(shown.astype(np.float64), mask)
        return self._made(
            tuple(row[:-1] for row in cells[:-1]), mask[:-1, :-1],
            row_totals=tuple(row[-1] for row in cells[:-1]), column_totals=cells[-1][:-1], total=cells[-1][-1],
            hidden_cells=int(mask.sum()),
        )  # fmt: skip

    def _inside(self) -> StatTable:
        hours = np.maximum(self.window.elapsed_ms(self.as_of_ms), 1)[:, None]
        low, high = (self._sums(value) / hours for value in (_low, _high))
        mean = (low + high) / 2
        unknown = np.broadcast_to(self.window.elapsed_ms(self.as_of_ms)[:, None] == 0, mean.shape)
        if self.exact:
            parts = [_cells(each.round(1), unknown) for each in (mean, low, high)]
            return self._made(parts[0], np.zeros(mean.shape, bool), low=parts[1], high=parts[2])
        mask = small(np.ceil(mean))
        return self._made(_cells(rounded(mean).astype(np.float64), mask | unknown), mask)

    def _dwell(self) -> StatTable:
        stays = self._sums(lambda row: row.dwells)
        total = self._sums(lambda row: row.dwell_ms)
        minutes = np.divide(total, stays * MINUTE_MS, out=np.zeros(total.shape), where=stays > 0)
        mask = np.zeros(stays.shape, bool) if self.exact else small(stays)
        shown = minutes.round(1) if self.exact else rounded(minutes).astype(np.float64)
        return self._made(_cells(shown, mask | (stays == 0)), mask)

    def _made(
        self, cells: tuple[tuple[Cell, ...], ...], mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], *,
        row_totals: tuple[Cell, ...] | None = None, column_totals: tuple[Cell, ...] | None = None,
        total: Cell = None, low: tuple[tuple[Cell, ...], ...] | None = None,
        high: tuple[tuple[Cell, ...], ...] | None = None, hidden_cells: int | None = None,
    ) -> StatTable:  # fmt: skip
        return StatTable(
            self.window.asked, self.community, tuple(self.window.labels), self.window.starts(), self.places, cells,
            row_totals, column_totals, total, low, high, self.exact,
            int(mask.sum()) if hidden_cells is None else hidden_cells,
            tuple(tuple(bool(each) for each in row) for row in mask), self.as_of_ms,
        )  # fmt: skip


def _low(row: HourCount) -> int:
    return row.inside_low_ms


def _high(row: HourCount) -> int:
    return row.inside_high_ms


def _cells(values: Floats, gone: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[tuple[Cell, ...], ...]:
    pairs = zip(values.tolist(), gone.tolist(), strict=True)
    return tuple(tuple(None if out else _plain(cell) for cell, out in zip(*row, strict=True)) for row in pairs)


def _plain(value: float) -> float:
    return int(value) if value == int(value) else value


def _window(asked: Asked, community: Community, as_of_ms: int) -> _Window:
    zone, cutoff = ZoneInfo(community.timezone), community.cutoff_hour
    from_ms = day_start_ms(asked.from_day, zone, cutoff)
    to_ms = day_start_ms(asked.to_day + timedelta(days=1), zone, cutoff)
    # A zone half an hour off the full hour: the hour belongs to the day it begins in.
    from_ms, to_ms = (-(-each // HOUR_MS) * HOUR_MS for each in (from_ms, to_ms))
    to_ms = max(from_ms, min(to_ms, hour_of(as_of_ms) + HOUR_MS))  # hours to come have no number, not even 0
    window = _Window(asked, zone, cutoff, from_ms, to_ms, [])
    wanted = {window.label(hour) for hour in range(from_ms, to_ms, HOUR_MS)}
    labels = [each for each in labels_between(from_ms, to_ms, asked.by, zone, cutoff) if each in wanted]
    return _Window(asked, zone, cutoff, from_ms, to_ms, labels)


def day_of_now(now_ms: int, community: Community) -> date:
    """The community's day now."""
    return day_of(now_ms, ZoneInfo(community.timezone), community.cutoff_hour)


def _check(asked: Asked) -> None:
    if not YEARS[0] <= asked.from_day.year <= asked.to_day.year <= YEARS[1] and asked.from_day <= asked.to_day:
        raise Invalid("Choose days between 2000 and 2199.", field="from_day")
    days = (asked.to_day - asked.from_day).days + 1
    if days < 1:
        raise Invalid("The last day comes before the first: choose a later last day.", field="to_day")
    if days > LONGEST_DAYS[asked.by]:
        raise Invalid(
            "Choose %(most)s days at most, or larger steps of time.", field="to_day", most=LONGEST_DAYS[asked.by]
        )
    if not 0 <= asked.from_hour < asked.to_hour <= 24:
        raise Invalid("Hours are 0 to 24, and the first comes before the last.", field="to_hour")
    if asked.kind == "gate" and asked.measure in ("inside", "dwell"):
        raise Invalid("People inside and length of stay belong to zones: choose zones.", field="measure")
