"""Rhythms: when somebody with a certain way of life goes out, to market, to eat, to the clinic, day by day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from random import Random

from community_flow.demo.movement import Crossing
from community_flow.demo.people import DemoPerson, Life, People
from community_flow.demo.places import FULL, HALLS
from community_flow.demo.plan import MINUTE_MS, Plan, is_workday

OUT = "outside"


@dataclass(frozen=True, slots=True)
class Outing:
    """Somebody is in a hall or outside; minutes since local midnight, the end may lie in the next day."""

    place: str
    from_min: float
    to_min: float
    with_family: bool = False


@dataclass(frozen=True)
class Rhythm:
    """What is the same for a person every day: their hours, their gate and how regular they are."""

    leaves_min: float
    returns_min: float
    spread_min: float
    gate: str
    market: float
    canteen: float
    away: float


def rhythm(rng: Random, person: DemoPerson) -> Rhythm:
    leaves, returns = _HOURS.get(person.life, (9 * 60 + 30, 11 * 60))
    return Rhythm(
        leaves_min=leaves + rng.gauss(0, 28),
        returns_min=returns + rng.gauss(0, 34),
        spread_min=rng.uniform(4, 16),
        gate="south" if person.community != FULL else ("east" if rng.random() < 0.6 else "west"),
        market=rng.betavariate(2, 2),
        canteen=rng.betavariate(1.2, 2.5),
        away=rng.betavariate(3, 2),
    )


_HOURS: dict[Life, tuple[int, int]] = {
    "office": (8 * 60 + 5, 18 * 60 + 20),
    "school": (7 * 60 + 20, 16 * 60 + 40),
    "night": (19 * 60 + 30, 31 * 60 + 20),
    "staff": (7 * 60 + 25, 17 * 60 + 50),
    "kindergarten": (8 * 60 + 20, 16 * 60 + 30),
}


def _office(rng: Random, ways: Rhythm, workday: bool) -> Iterator[Outing]:
    if workday and rng.random() < 0.95:
        back = ways.returns_min + rng.gauss(0, ways.spread_min * 1.6)
        yield Outing(OUT, ways.leaves_min + rng.gauss(0, ways.spread_min), back)
        if rng.random() < 0.3 * ways.market:
            yield _stay(rng, "market", back + 6, 18, 6)
        if rng.random() < 0.22 * ways.away:
            yield _stay(rng, OUT, 19 * 60 + 50 + rng.gauss(0, 25), 55, 20)
    elif not workday:
        yield from _weekend(rng, ways)


def _weekend(rng: Random, ways: Rhythm) -> Iterator[Outing]:
    if rng.random() < 0.5 * ways.market + 0.1:
        yield _stay(rng, "market", 9 * 60 + rng.gauss(0, 55), 28, 10)
    if rng.random() < ways.away:
        start = 10 * 60 + 40 + rng.gauss(0, 90)
        yield Outing(OUT, start, start + max(35, rng.gauss(190, 80)), with_family=rng.random() < 0.5)


def _school(rng: Random, ways: Rhythm, workday: bool) -> Iterator[Outing]:
    if workday and rng.random() < 0.97:
        back = ways.returns_min + rng.gauss(0, ways.spread_min)
        yield Outing(OUT, ways.leaves_min + rng.gauss(0, ways.spread_min / 2), back)
    elif not workday and rng.random() < 0.35:
        yield _stay(rng, OUT, 14 * 60 + rng.gauss(0, 70), 110, 35)


def _kindergarten(rng: Random, ways: Rhythm, workday: bool) -> Iterator[Outing]:
    if workday and rng.random() < 0.94:
        yield Outing("kindergarten", 8 * 60 + 20 + rng.gauss(0, 9), 16 * 60 + 30 + rng.gauss(0, 12))


def _retired(rng: Random, ways: Rhythm, workday: bool) -> Iterator[Outing]:
    if rng.random() < 0.35 * ways.away:
        yield _stay(rng, OUT, 6 * 60 + 10 + rng.gauss(0, 14), 60, 15)
    if rng.random() < 0.8 * ways.market:
        yield _stay(rng, "market", 8 * 60 + 5 + rng.gauss(0, 35), 30, 11)
    if workday and rng.random() < 0.075:
        yield _stay(rng, "clinic", 9 * 60 + 40 + rng.gauss(0, 40), 42, 15)
    if rng.random() < 0.8 * ways.canteen:
        yield _stay(rng, "canteen", 11 * 60 + 35 + rng.gauss(0, 22), 31, 7)
    if rng.random() < 0.75 * ways.away:
        yield _stay(rng, OUT, 15 * 60 + rng.gauss(0, 45), 80, 30)


def _home(rng: Random, ways: Rhythm, workday: bool) -> Iterator[Outing]:
    if rng.random() < 0.75 * ways.market:
        yield _stay(rng, "market", 9 * 60 + 30 + rng.gauss(0, 50), 32, 11)
    if workday and rng.random() < 0.03:
        yield _stay(rng, "clinic", 14 * 60 + 30 + rng.gauss(0, 40), 38, 12)
    if rng.random() < 0.9 * ways.away:
        yield _stay(rng, OUT, 14 * 60 + 20 + rng.gauss(0, 80), 120, 45)
    if rng.random() < 0.3 * ways.canteen:
        yield _stay(rng, "canteen", 18 * 60 + rng.gauss(0, 18), 33, 8)


def _night(rng: Random, ways: Rhythm, workday: bool) -> Iterator[Outing]:
    if rng.random() < 0.35 * ways.market:
        yield _stay(rng, "market", 16 * 60 + rng.gauss(0, 40), 25, 8)
    if workday:
        end = ways.returns_min + rng.gauss(0, ways.spread_min)
        yield Outing(OUT, ways.leaves_min + rng.gauss(0, ways.spread_min), end)


def _frail(rng: Random, ways: Rhythm, workday: bool) -> Iterator[Outing]:
    if workday and rng.random() < 0.08:
        yield _stay(rng, "clinic", 10 * 60 + rng.gauss(0, 30), 50, 12)


def _stay(rng: Random, place: str, from_min: float, minutes: float, spread: float) -> Outing:
    opens, closes = _OPEN.get(place, (5 * 60, 23 * 60))
    start = min(max(from_min, opens + rng.random() * 10), closes - 25)
    return Outing(place, start, min(start + max(6, rng.gauss(minutes, spread)), closes - 1))


_OPEN = {
    "market": (6 * 60, 20 * 60 + 30),
    "canteen": (10 * 60 + 45, 20 * 60),
    "clinic": (8 * 60 + 30, 18 * 60),
}

LIVES: dict[Life, Callable[[Random, Rhythm, bool], Iterator[Outing]]] = {
    "office": _office,
    "school": _school,
    "kindergarten": _kindergarten,
    "retired": _retired,
    "home": _home,
    "night": _night,
    "frail": _frail,
}


def ordinary_days(plan: Plan, people: People) -> list[Crossing]:
    """Everybody's crossings on every day, in no order, before anything unusual is added."""
    rng = Random(f"{plan.seed}:habits")
    children, carers = _little_ones(people), _carers(people)
    found: list[Crossing] = []
    for person in people.persons:
        if person.life in LIVES:
            family = children.get(person.household or "", ()) if person.number in carers else ()
            found += _resident(plan, people, rng, person, family)
        elif person.life == "staff":
            found += _staff(plan, people, rng, person)
        elif person.life == "guest":
            found += _guest(people, rng, person)
    return [crossing for crossing in found if crossing.t_ms < plan.until_ms]


def _little_ones(people: People) -> dict[str, tuple[int, ...]]:
    """Per household the children who go along on a grown-up's scan."""
    found: dict[str, tuple[int, ...]] = {}
    for person in people.persons:
        if person.life in ("toddler", "kindergarten") and person.household:
            found[person.household] = (*found.get(person.household, ()), person.number)
    return found


def _resident(
    plan: Plan, people: People, rng: Random, person: DemoPerson, children: tuple[int, ...]
) -> Iterator[Crossing]:
    ways = rhythm(rng, person)
    shown = people.carried[person.number].number
    busy_until = -1.0
    for day in plan.dates:
        for outing in _in_order(LIVES[person.life](rng, ways, is_workday(day)), busy_until):
            if person.community != FULL and outing.place in HALLS:
                continue
            family = children if outing.with_family else ()
            yield from through(plan, rng, day, person, shown, outing, ways.gate, family)
            busy_until = outing.to_min
        busy_until -= 24 * 60


def _carers(people: People) -> set[int]:
    """The first member of each household: children go along with one person only, nobody is in two places."""
    first: dict[str, int] = {}
    for person in people.persons:
        if person.household:
            first.setdefault(person.household, person.number)
    return set(first.values())


def _in_order(outings: Iterator[Outing], busy_until: float) -> Iterator[Outing]:
    """Outings one after the other: one that would overlap the last is dropped."""
    for outing in sorted(outings, key=lambda each: each.from_min):
        if outing.from_min > busy_until + 5 and outing.to_min > outing.from_min + 3:
            yield outing
            busy_until = outing.to_min


def through(
    plan: Plan,
    rng: Random,
    day: date,
    person: DemoPerson,
    credential: int,
    outing: Outing,
    gate: str,
    family: tuple[int, ...] = (),
    story: str = "",
) -> Iterator[Crossing]:
    """The two crossings of an outing: out and in at a compound gate, or in and out at a hall's."""
    midnight = plan.midnight_ms(day)
    first, last = ("out", "in") if outing.place == OUT else ("in", "out")
    there = back = outing.place
    if outing.place == OUT:
        there, back = _gate(rng, gate), _gate(rng, gate)
    for minute, at, direction in ((outing.from_min, there, first), (outing.to_min, back, last)):
        t_ms = midnight + int(minute * MINUTE_MS)
        yield Crossing(t_ms, person.community, at, direction, person.number, credential, family, story=story)


def _gate(rng: Random, usual: str) -> str:
    if usual == "south" or rng.random() < 0.88:
        return usual
    return "west" if usual == "east" else "east"


def _staff(plan: Plan, people: People, rng: Random, person: DemoPerson) -> Iterator[Crossing]:
    """In through a compound gate, into the hall, out again, home."""
    ways = rhythm(rng, person)
    credential = people.carried[person.number].number
    hall = person.works_at or "market"
    for day in plan.dates:
        if (hall in ("clinic", "kindergarten") and not is_workday(day)) or rng.random() < 0.08:
            continue
        midnight = plan.midnight_ms(day)
        start, end = (_SHIFTS[hall][n] + rng.gauss(0, 6) for n in (0, 1))
        steps = ((start - 6, ways.gate, "in"), (start, hall, "in"), (end, hall, "out"), (end + 6, ways.gate, "out"))
        for minute, gate, direction in steps:
            t_ms = midnight + int(minute * MINUTE_MS)
            yield Crossing(t_ms, FULL, gate, direction, person.number, credential)


_SHIFTS = {
    "market": (6 * 60 + 20, 16 * 60 + 30),
    "canteen": (10 * 60 + 20, 19 * 60 + 15),
    "clinic": (8 * 60 + 10, 17 * 60 + 35),
    "kindergarten": (7 * 60 + 50, 17 * 60),
}


def _guest(people: People, rng: Random, person: DemoPerson) -> Iterator[Crossing]:
    """In when the pass begins to hold, out well before it ends."""
    shown = people.carried[person.number]
    gate = rng.choice(("east", "west"))
    entered_ms = shown.from_ms + int(rng.uniform(2, 25) * MINUTE_MS)
    left_ms = entered_ms + int(rng.uniform(60, 400) * MINUTE_MS)
    for t_ms, direction in ((entered_ms, "in"), (left_ms, "out")):
        yield Crossing(t_ms, FULL, gate, direction, person.number, shown.number)
