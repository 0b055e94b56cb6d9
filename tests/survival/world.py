"""A community with people, cards and devices of every kind, and what its devices have to say."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from community_flow.domain import passes as cf1
from community_flow.domain.places import Household, Pass, Person
from community_flow.domain.scope import Role, Scope
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.registry import Change
from community_flow.settings import Settings
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import ingest_parts
from sensors import wire
from tests.conftest import prepared
from tests.factories import small_community

MANAGER = Scope("m", Role.MANAGER, frozenset({"garden"}))
PEOPLE = 12
TAGS = tuple(f"04A2FF{number:02d}" for number in range(PEOPLE // 2))


@dataclass(frozen=True)
class Enrolled:
    """A device that may speak, and what kind of thing it says."""

    device: str
    token: str
    kind: str


@dataclass(frozen=True)
class World:
    """What senders need to know of an installation."""

    settings: Settings
    devices: tuple[Enrolled, ...]
    cards: tuple[str, ...]
    people: tuple[str, ...]


def made(settings: Settings, phones: int = 2, cameras: int = 1, offices: int = 1, people: int = PEOPLE) -> World:
    """The small community of the tests, people with cards and some with IC cards, and its devices."""
    core = prepared(settings)
    try:
        small_community(core)
        residents = tuple(_person(number) for number in range(people))
        cards = _with_cards(core, residents)
        _tag_the_first(core, residents)
        kinds = [("gate_phone", "east")] * phones + [("camera", "west")] * cameras + [("office", None)] * offices
        enrol = ingest_parts(core).devices.enrol
        devices = [(enrol(MANAGER, "garden", kind, gate), kind) for kind, gate in kinds]  # type: ignore[arg-type]
        enrolled = tuple(Enrolled(each.device, each.token, kind) for each, kind in devices)
        return World(settings, enrolled, cards, residents)
    finally:
        core.db.close()


def _person(number: int) -> str:
    """A person's id: twelve characters of base 32."""
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    return "p_" + "".join(letters[number >> (5 * place) & 31] for place in range(12))


def _with_cards(core: Core, people: tuple[str, ...]) -> tuple[str, ...]:
    """Three to a household, each with a printed card; gives the cards' texts."""
    keys = CommunityKeys(core.keys)
    handles = [number.to_bytes(8, "big") for number in range(len(people))]
    with core.db.write() as tx:
        uid = core.registry.uid(tx, "garden")
        changes = []
        for number, (person, handle) in enumerate(zip(people, handles, strict=True)):
            household = f"h_{number // 3}"
            pass_id = cf1.pass_id(keys.pass_ref(uid, handle))
            changes += [
                Change("garden", "household", household, 0, Household(unit=f"1-1-{number // 3}", building="b1")),
                Change("garden", "person", person, 0, Person(household=household)),
                Change("garden", "pass", pass_id, 0, Pass(person=person)),
            ]
        core.registry.record(tx, changes, "test")
    key_id, signer = keys.card_signer(uid)
    return tuple(cf1.card(signer, uid, key_id=key_id, handle=each, expiry_day=3_000, serial=0) for each in handles)


def _tag_the_first(core: Core, people: tuple[str, ...]) -> None:
    keys = CommunityKeys(core.keys)
    with core.db.write() as tx:
        uid = core.registry.uid(tx, "garden")
        changes = [
            Change("garden", "pass", "tg_" + keys.tag_ref(uid, tag).hex(), 0, Pass(person=person, kind="tag"))
            for tag, person in zip(TAGS, people, strict=False)
        ]
        core.registry.record(tx, changes, "test")


class Talk:
    """What one device says, report after report: mixed kinds, seeded, with numbers of one boot."""

    def __init__(
        self, world: World, me: Enrolled, rng: random.Random, boot: int, now_ms: Callable[[], int] | None = None
    ):
        self.world, self.me, self.rng, self.boot = world, me, rng, boot
        self.now_ms = now_ms or (lambda: time.time_ns() // 1_000_000)
        self.seq = 0
        self._makers: dict[str, list[Callable[..., wire.Report]]] = {
            "gate_phone": [
                self._card,
                self._card,
                self._card,
                self._tag,
                self._visitor,
                self._correction,
                self._status,
            ],
            "camera": [self._count, self._count, self._count, self._count, self._sum, self._status, self._gap],
            "office": [self._person, self._person, self._census, self._correction],
        }

    def next(self) -> wire.Report:
        self.seq += 1
        make = self.rng.choice(self._makers[self.me.kind])
        # Up to a minute ago: what is told together did not happen together.
        at = self.now_ms() - self.rng.randrange(60_000)
        return make({"boot": self.boot, "seq": self.seq, "at": at, "skew_ms": self.rng.choice([None, 0, -420, 1500])})

    def _way(self) -> Any:
        return self.rng.choice(["in", "out"])

    def _scan(self, given: dict[str, Any], **who: Any) -> wire.Scan:
        passed = self.rng.random() < 0.9
        return wire.Scan(
            **given, gate="east", direction=self._way(), decision="allow", reason="ok", passed=passed, **who
        )

    def _card(self, given: dict[str, Any]) -> wire.Report:
        return self._scan(given, pass_=self.rng.choice(self.world.cards), method="card")

    def _tag(self, given: dict[str, Any]) -> wire.Report:
        return self._scan(given, tag=self.rng.choice(TAGS), method="tag")

    def _person(self, given: dict[str, Any]) -> wire.Report:
        return self._scan(given, person=self.rng.choice(self.world.people), method="manual")

    def _visitor(self, given: dict[str, Any]) -> wire.Report:
        party = self.rng.randint(1, 3)
        return wire.Visitor(
            **given, gate="east", direction=self._way(), class_="delivery", passed=True, unit="1-1-1", party=party
        )

    def _count(self, given: dict[str, Any]) -> wire.Report:
        return wire.Count(**given, gate="west", direction=self._way(), n=self.rng.randint(1, 3), confidence=0.94)

    def _sum(self, given: dict[str, Any]) -> wire.Report:
        """A camera that had to be brief: one count in place of its last three."""
        if self.seq < 5:
            return self._count(given)
        span = wire.Span(boot=self.boot, from_=self.seq - 3, to=self.seq - 1)
        from_ms = given["at"] - 60_000
        return wire.Count(**given, gate="west", direction=self._way(), n=4, from_ms=from_ms, replaces=span)

    def _correction(self, given: dict[str, Any]) -> wire.Report:
        named = wire.Named(boot=self.boot, seq=self.rng.randint(max(0, self.seq - 20), self.seq + 5))
        return wire.Correction(**given, of=named, note="scanned twice")

    def _census(self, given: dict[str, Any]) -> wire.Report:
        return wire.Census(**given, zone="compound", n=self.rng.randint(0, 30))

    def _gap(self, given: dict[str, Any]) -> wire.Report:
        first = self.seq
        self.seq += 2
        return wire.Gap(**(given | {"seq": self.seq}), from_=first, to=first + 1, reason="disk")

    def _status(self, given: dict[str, Any]) -> wire.Report:
        return wire.Status(**given, counters={"in": self.seq, "out": 2}, queue=self.seq % 7, version="1.2.0", config=1)
