"""A planted cluster: who was ill, whom they truly met in which room and for how long, who fell ill from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from community_flow.demo.habits import Outing
from community_flow.demo.movement import TrueVisit
from community_flow.demo.people import DemoPerson, People
from community_flow.demo.places import HALLS
from community_flow.demo.plan import DAY_MS, HOUR_MS, MINUTE_MS
from community_flow.demo.stories import ADULT, Script

LUNCH_MS = (11 * HOUR_MS, 13 * HOUR_MS)


@dataclass(frozen=True, slots=True)
class Case:
    """Somebody who fell ill. ``source`` None for the first; infectious from two days before the onset."""

    person: int
    source: int | None
    met_ms: int | None
    onset_ms: int

    @property
    def infectious_from_ms(self) -> int:
        return self.onset_ms - 2 * DAY_MS


@dataclass(frozen=True, slots=True)
class TrueContact:
    """Time that somebody truly spent in the same hall as the index case, in all and at most at a stretch."""

    person: int
    overlap_ms: int
    longest_ms: int
    zones: tuple[str, ...]


def plant(script: Script) -> list[Case]:
    """One index case with lunches at the canteen, up to six who caught it there and one who caught it at home."""
    if script.plan.days < 3:
        return []
    index = _index(script)
    if index is None:
        return []
    first_ms = script.day(min(9, script.plan.days - 1), min(9, script.plan.days - 1))
    cases = [Case(index.number, None, None, first_ms + 2 * DAY_MS)]
    for turn in range(script.plan.share(6, least=2)):
        midnight = first_ms + (turn % min(5, script.plan.days - 1)) * DAY_MS
        cases += _lunch(script, index, midnight)
    cases += _at_home(script, index, first_ms)
    return cases


def _index(script: Script) -> DemoPerson | None:
    """Somebody retired who does not live alone."""
    rows = script.cast(4, ("retired",)) or script.cast(4, ADULT)
    return next((p for p in rows if len(script.people.members(p.household or "")) > 1), rows[0] if rows else None)


def _lunch(script: Script, index: DemoPerson, midnight: int) -> list[Case]:
    """The index case eats at the canteen, and somebody who is free then sits there at the same time."""
    from_ms, to_ms = midnight + LUNCH_MS[0], midnight + LUNCH_MS[1]
    if to_ms > script.plan.until_ms:
        return []
    if script.at_home(index.number, from_ms, to_ms):
        minute = 11 * 60 + 30 + script.rng.uniform(0, 15)
        script.outing(index, midnight, Outing("canteen", minute, minute + script.rng.uniform(38, 50)), "", "east")
    guest = next((p for p in script.cast(12, ("retired", "home")) if script.at_home(p.number, from_ms, to_ms)), None)
    if guest is None:
        return []
    minute = 11 * 60 + 32 + script.rng.uniform(0, 18)
    made = script.outing(guest, midnight, Outing("canteen", minute, minute + script.rng.uniform(32, 42)), "", "east")
    onset_ms = made[0].t_ms + int(script.rng.uniform(2.5, 5) * DAY_MS)
    return [Case(guest.number, index.number, made[0].t_ms, onset_ms)]


def _at_home(script: Script, index: DemoPerson, first_ms: int) -> list[Case]:
    """One member of the household falls ill too: no gate sees that meeting."""
    others = [p for p in script.people.members(index.household or "") if p.number != index.number]
    met_ms = first_ms + 20 * HOUR_MS
    return [Case(p.number, index.number, met_ms, met_ms + 3 * DAY_MS) for p in others[:1]]


def contacts_of(visits: Sequence[TrueVisit], index: int, from_ms: int, to_ms: int) -> list[TrueContact]:
    """Everybody who shared a hall with ``index`` in the window, the longest first."""
    own = [visit for visit in visits if visit.person == index and visit.zone in HALLS]
    spans: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for visit in visits:
        if visit.person != index and visit.zone in HALLS:
            shared = [(visit.zone, _overlap_ms(mine, visit, from_ms, to_ms)) for mine in own]
            spans[visit.person] += [each for each in shared if each[1] >= MINUTE_MS]
    found = [_contact(person, rows) for person, rows in spans.items() if rows]
    return sorted(found, key=lambda each: (-each.overlap_ms, each.person))


def _contact(person: int, rows: list[tuple[str, int]]) -> TrueContact:
    lengths = [ms for _, ms in rows]
    return TrueContact(person, sum(lengths), max(lengths), tuple(sorted({zone for zone, _ in rows})))


def _overlap_ms(one: TrueVisit, other: TrueVisit, from_ms: int, to_ms: int) -> int:
    if one.zone != other.zone or one.community != other.community:
        return 0
    start = max(one.entered_ms or 0, other.entered_ms or 0, from_ms)
    return min(one.left_ms or to_ms, other.left_ms or to_ms, to_ms) - start


def household_of(people: People, index: int) -> list[int]:
    """The others in the same flat."""
    home = people.persons[index].household
    return [p.number for p in people.persons if home and p.household == home and p.number != index]
