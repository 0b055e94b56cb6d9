"""Who lives and works in the demo: households, people with a way of life, and the passes they carry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from community_flow.demo import names
from community_flow.demo.places import BUILDINGS, FULL, SMALL
from community_flow.demo.plan import DAY_MS, HOUR_MS, Plan
from community_flow.domain.places import PassKind, PassType

Life = Literal["office", "school", "kindergarten", "toddler", "retired", "home", "night", "frail", "staff", "guest"]
PASSLESS: tuple[Life, ...] = ("toddler",)
# How many households have so many members; the mean is three.
SIZES = ((1, 0.15), (2, 0.24), (3, 0.27), (4, 0.19), (5, 0.11), (6, 0.04))


@dataclass(frozen=True)
class DemoHousehold:
    id: str
    community: str
    unit: str
    building: str


@dataclass(frozen=True)
class DemoPass:
    """A credential. ``number`` is its place in `People.passes`; the loader turns it into a card, a key or a tag."""

    number: int
    person: int
    kind: PassKind
    type: PassType
    from_ms: int
    until_ms: int | None = None
    revoked_ms: int | None = None


@dataclass(frozen=True)
class DemoPerson:
    """``number`` is the place in `People.persons`; ``works_at`` the hall of somebody who works in the community."""

    number: int
    id: str
    community: str
    household: str | None
    name: str
    life: Life
    type: PassType
    works_at: str | None = None


@dataclass
class People:
    households: list[DemoHousehold] = field(default_factory=list)
    persons: list[DemoPerson] = field(default_factory=list)
    passes: list[DemoPass] = field(default_factory=list)
    carried: dict[int, DemoPass] = field(default_factory=dict)
    """The pass that a person usually shows."""

    def members(self, household: str) -> list[DemoPerson]:
        return [person for person in self.persons if person.household == household]


def invent(plan: Plan) -> People:
    """Everybody, `plan.people` in all, in a third as many households; guests come on top."""
    rng = Random(f"{plan.seed}:people")
    people = People()
    staff = plan.share(26, least=4)
    residents = plan.people - staff
    households = max(2, round(plan.people / 3))
    small = max(1, round(households / 20))
    sizes = _sizes(rng, households, residents)
    units = {FULL: _units(rng, BUILDINGS), SMALL: _units(rng, 2)}
    for number, size in enumerate(sizes):
        community = SMALL if number < small else FULL
        _settle(people, plan, rng, community, next(units[community]), size)
    for number in range(staff):
        _employ(people, plan, rng, number)
    for person in people.persons:
        _equip(people, plan, rng, person)
    _invite_guests(people, plan, rng)
    return people


def _sizes(rng: Random, households: int, residents: int) -> list[int]:
    """Sizes that add up to exactly ``residents``."""
    sizes = rng.choices([size for size, _ in SIZES], [share for _, share in SIZES], k=households)
    while (missing := residents - sum(sizes)) != 0:
        at = rng.randrange(households)
        step = 1 if missing > 0 else -1
        if 1 <= sizes[at] + step <= 6:
            sizes[at] += step
    return sizes


def _units(rng: Random, buildings: int) -> Iterator[tuple[str, str]]:
    """(building zone, unit such as 7-3-1102), each once, in mixed order."""
    free = [
        (f"b{building}", f"{building}-{stair}-{floor}{room:02d}")
        for building in range(1, buildings + 1)
        for stair in (1, 2, 3)
        for floor in range(1, 18)
        for room in (1, 2, 3, 4)
    ]
    rng.shuffle(free)
    return iter(free)


def _settle(people: People, plan: Plan, rng: Random, community: str, home: tuple[str, str], size: int) -> None:
    household = DemoHousehold(plan.ident("h_", len(people.households)), community, home[1], home[0])
    people.households.append(household)
    family, other = names.surname(rng), names.surname(rng)
    for place, (life, female) in enumerate(_lives(rng, size)):
        name = names.full_name(rng, other if place == 1 else family, female)
        _add(people, plan, community, household.id, name, life, "resident")


def _lives(rng: Random, size: int) -> list[tuple[Life, bool]]:
    """(way of life, is a woman) of each member; the first two are a couple where there are two."""
    old = rng.random() < {1: 0.55, 2: 0.45}.get(size, 0.0)
    if old:
        return [(_old_age(rng), rng.random() < 0.5) for _ in range(size)]
    grown: list[tuple[Life, bool]] = [(_trade(rng), False), (_trade(rng), True)]
    if size == 1:
        return [grown[rng.random() < 0.5]]
    elders = max(0, min(2, size - 3 - (rng.random() < 0.4)))
    children = size - 2 - elders
    return [
        *grown,
        *((_childhood(rng), rng.random() < 0.5) for _ in range(children)),
        *((_old_age(rng), place % 2 == 0) for place in range(elders)),
    ]


def _trade(rng: Random) -> Life:
    return rng.choices(("office", "home", "night"), (0.8, 0.16, 0.04))[0]


def _childhood(rng: Random) -> Life:
    return rng.choices(("school", "kindergarten", "toddler"), (0.62, 0.25, 0.13))[0]


def _old_age(rng: Random) -> Life:
    return "frail" if rng.random() < 0.05 else "retired"


# Shares of the people who come to work inside, by hall.
_JOBS = ("market", "kindergarten", "canteen", "market", "clinic", "kindergarten", "canteen", "market")


def _employ(people: People, plan: Plan, rng: Random, number: int) -> None:
    female = rng.random() < 0.6
    name = names.full_name(rng, names.surname(rng), female)
    _add(people, plan, FULL, None, name, "staff", "worker", _JOBS[number % len(_JOBS)])


def _add(
    people: People,
    plan: Plan,
    community: str,
    household: str | None,
    name: str,
    life: Life,
    type_: PassType,
    works_at: str | None = None,
) -> DemoPerson:
    number = len(people.persons)
    person = DemoPerson(number, plan.ident("p_", number), community, household, name, life, type_, works_at)
    people.persons.append(person)
    return person


def _equip(people: People, plan: Plan, rng: Random, person: DemoPerson) -> None:
    """A pass for everybody but toddlers; one in sixty lost a card, which was revoked and replaced."""
    if person.life in PASSLESS:
        return
    replaced_ms = plan.from_ms - 3 * DAY_MS + int(rng.random() * (plan.days + 1) * DAY_MS)
    first = not any(each.revoked_ms for each in people.passes) and person.community == FULL
    if first:
        replaced_ms = plan.from_ms - DAY_MS  # the tour shows a revoked card: there is one in every demo
    if (first or rng.random() < 1 / 60) and replaced_ms < plan.until_ms:
        _issue(people, person, "card", plan.founded_ms, revoked_ms=replaced_ms)
    kind = rng.choices(_KINDS, _MEDIA[person.life])[0]
    people.carried[person.number] = _issue(people, person, kind, plan.founded_ms)


_KINDS: tuple[PassKind, ...] = ("card", "phone", "tag")
_GROWN, _OLD, _YOUNG = (0.38, 0.52, 0.1), (0.72, 0.14, 0.14), (0.9, 0.0, 0.1)
_MEDIA: dict[Life, tuple[float, float, float]] = {
    "office": _GROWN,
    "home": _GROWN,
    "night": _GROWN,
    "staff": _GROWN,
    "school": _YOUNG,
    "kindergarten": _YOUNG,
    "retired": _OLD,
    "frail": _OLD,
    "guest": (1.0, 0.0, 0.0),
}


def _issue(
    people: People,
    person: DemoPerson,
    kind: PassKind,
    from_ms: int,
    until_ms: int | None = None,
    revoked_ms: int | None = None,
) -> DemoPass:
    made = DemoPass(len(people.passes), person.number, kind, person.type, from_ms, until_ms, revoked_ms)
    people.passes.append(made)
    return made


def _invite_guests(people: People, plan: Plan, rng: Random) -> None:
    """Guests with a day pass of eight hours, one or two a day."""
    for day in plan.dates:
        for _ in range(rng.randint(1, 2)):
            from_ms = plan.midnight_ms(day) + 9 * HOUR_MS + int(rng.random() * 5 * HOUR_MS)
            name = names.full_name(rng, names.surname(rng), rng.random() < 0.5)
            guest = _add(people, plan, FULL, None, name, "guest", "visitor")
            people.carried[guest.number] = _issue(people, guest, "card", from_ms, from_ms + 8 * HOUR_MS)
