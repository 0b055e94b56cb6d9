"""What truly happens: bodies that go through gates, and the visits that follow from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from community_flow.demo.places import COMPOUND

NOBODY = -1
"""The number of somebody who is not in the registry: a courier, a stranger."""


@dataclass(slots=True)
class Crossing:
    """One person (and whoever goes along on the same scan) through one gate.

    ``companions`` are known people without a scan of their own. ``credential`` is the pass shown, NOBODY for none.
    ``seen`` False: no scan was made although the gate scans. ``story`` names the injected event it belongs to.
    ``visitor`` is the class under which the guard entered somebody without a pass.
    """

    t_ms: int
    community: str
    gate: str
    direction: str
    person: int
    credential: int = NOBODY
    companions: tuple[int, ...] = ()
    seen: bool = True
    story: str = ""
    decision: str = "allow"
    reason: str = "ok"
    visitor: str = ""

    @property
    def bodies(self) -> tuple[int, ...]:
        return (self.person, *self.companions)


@dataclass(frozen=True, slots=True)
class TrueVisit:
    """``entered_ms`` None: inside since before the first day. ``left_ms`` None: still inside at the end."""

    person: int
    community: str
    zone: str
    entered_ms: int | None
    left_ms: int | None


def zone_of(gate: str) -> str:
    """The inner zone: hall gates are called after their hall, all others lead into the compound."""
    return gate if gate in ("market", "clinic", "canteen", "kindergarten") else COMPOUND


@dataclass
class _Inside:
    open: dict[tuple[int, str], int | None] = field(default_factory=dict)
    visits: list[TrueVisit] = field(default_factory=list)

    def step(self, person: int, crossing: Crossing) -> None:
        key = (person, zone_of(crossing.gate))
        if crossing.direction == "in":
            self.open[key] = crossing.t_ms
        elif key in self.open or key[1] == COMPOUND:
            entered_ms = self.open.pop(key, None)
            self.visits.append(TrueVisit(person, crossing.community, key[1], entered_ms, crossing.t_ms))


def true_visits(crossings: Iterable[Crossing]) -> list[TrueVisit]:
    """Visits of known people, ordered by when they began. ``crossings`` are in time order."""
    inside = _Inside()
    where: dict[int, str] = {}
    for crossing in crossings:
        for person in crossing.bodies:
            if person != NOBODY:
                where[person] = crossing.community
                inside.step(person, crossing)
    still = [TrueVisit(who, where[who], zone, entered, None) for (who, zone), entered in inside.open.items()]
    return sorted([*inside.visits, *still], key=lambda visit: (visit.entered_ms or 0, visit.person, visit.zone))


def by_person(crossings: Iterable[Crossing]) -> dict[int, list[Crossing]]:
    """Crossings of each known leader of a crossing, in the given order."""
    found: dict[int, list[Crossing]] = defaultdict(list)
    for crossing in crossings:
        if crossing.person != NOBODY:
            found[crossing.person].append(crossing)
    return found
