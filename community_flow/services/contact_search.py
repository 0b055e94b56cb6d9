"""Contacts of one index person: which places count, and the search in each of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from community_flow.domain.contacts import (
    Contact,
    Exposure,
    expected_ms,
    exposures_of,
    ranked,
    typical_stays,
    zone_sizes,
)
from community_flow.domain.exposures import LIKELY, MINUTE_MS, Index, Ints, Visits
from community_flow.domain.places import Household, Person, Zone
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction
from community_flow.ports.cases import Case, MovementReader, Stay, VisitTable
from community_flow.services.registry import Registry

WIDE = ("building", "compound")
"""Zone kinds in which being at the same time says little: two steps through a compound reach nearly everybody."""

KINDS = ("room", "hall", "home", "household", "queue", "open_air", *WIDE)
DEFAULT_KINDS = ("room", "hall", "home", "household", "queue")
STAYS_MS = {"room": 45 * MINUTE_MS, "hall": 45 * MINUTE_MS, "open_air": 45 * MINUTE_MS, "home": 480 * MINUTE_MS}
"""How long people stay in a place where too few exits were seen to know."""

PlaceKind: TypeAlias = Literal["zone", "household", "queue"]
By: TypeAlias = dict[str, list[Exposure]]


@dataclass(frozen=True)
class Place:
    """Where an exposure happened: a zone, the same home, or the queue at a gate."""

    kind: PlaceKind
    place: str


@dataclass(frozen=True)
class Found:
    """Ranked contacts. A Contact's ``person`` and an Exposure's ``zone`` number ``people`` and ``places``.

    ``compound_total`` says how many people the compound and buildings alone would give.
    """

    contacts: tuple[Contact, ...]
    people: tuple[str, ...]
    places: tuple[Place, ...]
    compound_total: int
    stays: tuple[Stay, ...]


class ContactSearch:
    def __init__(self, movements: MovementReader, registry: Registry) -> None:
        self.movements, self.registry = movements, registry

    def search(self, tx: Transaction, scope: Scope, case: Case, now_ms: int) -> Found:
        """Everybody who may have met the index person in the case's window and places."""
        return _Search(self, tx, scope.narrowed(case.community), case, min(case.to_ms, now_ms)).run()


class _Search:
    """One run: holds what its steps share."""

    def __init__(self, parts: ContactSearch, tx: Transaction, scope: Scope, case: Case, to_ms: int) -> None:
        self.movements, self.registry, self.tx, self.scope = parts.movements, parts.registry, tx, scope
        self.case, self.to_ms = case, to_ms
        self.least_ms = case.least_min * MINUTE_MS
        self.zones: dict[str, Zone] = {zone: data for (_, zone), data in self.registry.zones(tx, scope).items()}
        self.places: dict[Place, int] = {}

    def run(self) -> Found:
        stays = self.movements.stays(self.tx, self.scope, self.case.index_person, self.case.from_ms, self.to_ms)
        visited = {stay.zone for stay in stays}
        wide = self._visits(zone for zone in visited if self._kind(zone) in WIDE)
        found: By = defaultdict(list)
        for each in self._searches(visited, wide):
            for person, exposures in each.items():
                found[person] += exposures
        people = tuple(sorted(found))
        contacts = ranked({number: found[person] for number, person in enumerate(people)})
        return Found(tuple(contacts), people, tuple(self.places), self._wide_total(wide), tuple(stays))

    def _searches(self, visited: Collection[str], wide: VisitTable) -> Iterable[By]:
        kinds = set(self.case.kinds)
        narrow = [zone for zone in visited if (self._kind(zone) or "room") in kinds - set(WIDE)]
        yield self._met(self._visits(narrow), self.least_ms, self._zone)
        if kinds & set(WIDE):
            chosen = {zone for zone in visited if self._kind(zone) in kinds & set(WIDE)}
            yield self._met(_only_zones(wide, chosen), self.least_ms, self._zone)
        if "household" in kinds:
            yield self._at_home(wide)
        if "queue" in kinds and self.case.queue_s:
            yield self._in_queues()

    def _at_home(self, wide: VisitTable) -> By:
        """Members of the same household while both were where the home is.

        Without a door of its own to the home this knows only that both were in the building or compound: possible,
        never certain.
        """
        state = self.registry.store.current(self.tx, self.scope, "person", self.case.index_person)
        person: Person | None = state[0][2] if state else None
        if person is None or person.household is None:
            return {}
        homes = self.registry.store.current(self.tx, self.scope, "household", person.household)
        members = self.registry.store.owned(self.tx, self.scope, "person", [person.household])
        table = self._home_visits(homes[0][2] if homes else None, wide)
        mine = _only_people(table, {member for _, member, _ in members})
        place = Place("household", person.household)
        met = self._met(mine, self.least_ms, lambda _: self._place(place))
        return {who: [replace(each, size=float(len(members))) for each in rows] for who, rows in met.items()}

    def _home_visits(self, household: Household | None, wide: VisitTable) -> VisitTable:
        if household and household.home in self.zones:
            home = self._visits([household.home])
            if len(home.visits):
                return home
        narrowest = household.building if household and household.building in wide.zones else None
        around = _only_zones(wide, {narrowest} if narrowest else set(wide.zones))
        visits = around.visits
        certainty = np.maximum(visits.certainty, LIKELY)
        return replace(around, visits=replace(visits, certain_ms=visits.entered_ms, certainty=certainty))

    def _in_queues(self) -> By:
        """People who went through the same gate the same way within the case's seconds of the index person."""
        window_ms = self.case.queue_s * 1000
        moments = self.movements.passed(self.tx, self.scope, self.case.index_person, self.case.from_ms, self.to_ms)
        table = self.movements.passages_near(self.tx, self.scope, moments, window_ms)
        visits = replace(table.visits, entered_ms=table.visits.entered_ms - window_ms)
        waiting = replace(table, visits=replace(visits, certain_ms=visits.entered_ms))
        return self._met(waiting, 0, lambda zone: self._place(Place("queue", zone.rpartition("/")[0])), clip=False)

    def _met(self, table: VisitTable, least_ms: int, place: Callable[[str], int], clip: bool = True) -> By:
        if self.case.index_person not in table.people:
            return {}
        visits = table.visits.clipped(self.case.from_ms, self.to_ms) if clip else table.visits
        mine = visits.person == table.people.index(self.case.index_person)
        index, probes = Index(visits.take(~mine)), visits.take(mine)
        overlaps = index.search(probes, least_ms)
        usual = {
            zone: STAYS_MS[kind] for zone, name in enumerate(table.zones) if (kind := self._kind(name)) in STAYS_MS
        }
        typical = typical_stays(visits, usual)
        probably = expected_ms(overlaps, probes, index.visits, typical)
        met = exposures_of(overlaps, index.visits, zone_sizes(visits, typical), probably)
        return _by_person(met, table.people, {zone: place(name) for zone, name in enumerate(table.zones)})

    def _wide_total(self, wide: VisitTable) -> int:
        """How many people the compound and buildings alone give: why they are off by default."""
        places = dict(self.places)
        total = len(self._met(wide, self.least_ms, self._zone))
        self.places = places
        return total

    def _visits(self, zones: Iterable[str]) -> VisitTable:
        return self.movements.visits(self.tx, self.scope, sorted(zones), self.case.from_ms, self.to_ms)

    def _zone(self, zone: str) -> int:
        return self._place(Place("zone", zone))

    def _place(self, place: Place) -> int:
        return self.places.setdefault(place, len(self.places))

    def _kind(self, zone: str) -> str:
        """A zone's kind; empty for what is no zone (a queue) or no longer one."""
        return self.zones[zone].kind if zone in self.zones else ""


def _by_person(met: Mapping[int, list[Exposure]], people: tuple[str, ...], places: Mapping[int, int]) -> By:
    return {people[who]: [replace(each, zone=places[each.zone]) for each in rows] for who, rows in met.items()}


def _only_zones(table: VisitTable, zones: Collection[str]) -> VisitTable:
    wanted = np.array([zone in zones for zone in table.zones], dtype=bool)
    return replace(table, visits=_where(table.visits, wanted, table.visits.zone))


def _only_people(table: VisitTable, people: Collection[str]) -> VisitTable:
    wanted = np.array([person in people for person in table.people], dtype=bool)
    return replace(table, visits=_where(table.visits, wanted, table.visits.person))


def _where(visits: Visits, wanted: npt.NDArray[np.bool_], column: Ints) -> Visits:
    return visits.take(wanted[column]) if len(wanted) else visits
