"""Put the demo's places, people and passes into the registry through its services, and find the passes again later."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from community_flow.demo import places
from community_flow.demo.people import DemoPass, DemoPerson
from community_flow.demo.simulator import World
from community_flow.demo.wallet import Wallet, phone_key, tag_number
from community_flow.domain.places import Hold, Household, Pass, Person
from community_flow.domain.scope import Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.people import PeopleStore, PersonRow
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.initials import initials
from community_flow.services.passes import CardWanted, Held, Passes
from community_flow.services.registry import Change, Registry

BY = "demo"
CHILDREN = ("toddler", "kindergarten", "school")
COMMUNITIES = (places.FULL, places.SMALL)


@dataclass(frozen=True)
class Registering:
    """The services that the registry is filled through. ``secret`` seeds the demo's phones and IC cards."""

    db: Database
    registry: Registry
    passes: Passes
    keys: CommunityKeys
    people: PeopleStore
    clock: Clock
    secret: bytes

    @property
    def scope(self) -> Scope:
        return Scope.system(COMMUNITIES)

    def fill(self, world: World) -> None:
        """Everything in one transaction: after a crash it is there or it is not. Safe to repeat."""
        with self.db.write() as tx:
            if places.FULL not in self.registry.communities(tx, self.scope):
                self._fill(tx, world)
        self._bind_tags(world)

    def _fill(self, tx: Transaction, world: World) -> None:
        for area, state in places.AREAS.items():
            self.registry.add_area(tx, area, state, BY)
        for community, founded in places.communities(world.plan.timezone).items():
            self.registry.add_community(tx, community, founded, BY)
        self.registry.record(tx, [*_places(world), *_people(world)], BY)
        self.people.add(tx, [self._row(each) for each in world.people.persons])
        self._issue_cards(tx, world)
        self._add_phones(tx, world)

    def _row(self, person: DemoPerson) -> PersonRow:
        phone = (
            None if person.life in CHILDREN else f"1700000{int(tag_number(b'phone', person.id)[2:], 16) % 10_000:04d}"
        )
        return PersonRow(
            community=person.community,
            person=person.id,
            name=person.name,
            initials=initials(person.name),
            phone=phone,
            note=None,
            created_ms=self.clock.now_ms(),
        )

    def _issue_cards(self, tx: Transaction, world: World) -> None:
        cards = [each for each in world.people.passes if each.kind == "card"]
        for community in COMMUNITIES:
            mine = [each for each in cards if _holder(world, each).community == community]
            wanted = [
                CardWanted(person=_holder(world, each).id, type=each.type, from_ms=each.from_ms, until_ms=each.until_ms)
                for each in mine
            ]
            issued = self.passes.issue_cards(tx, community, wanted, self.scope)
            for each, made in zip(mine, issued, strict=True):
                if each.revoked_ms is not None:
                    held = self.passes.held(tx, self.scope, made.pass_id)
                    self.passes.end(tx, self.scope, [held], each.revoked_ms)

    def _add_phones(self, tx: Transaction, world: World) -> None:
        """Phones are set up now and hold since the beginning: history knows them."""
        changes = []
        for each in world.people.passes:
            if each.kind == "phone":
                person = _holder(world, each)
                public = phone_key(self.secret, person.id).public_key().public_bytes_raw()
                made = self.passes.add_phone(tx, self.scope, person.id, public)
                changes.append(_since(each, person, made.pass_id))
        self.registry.record(tx, changes, BY)

    def _bind_tags(self, world: World) -> None:
        """IC cards, each in a transaction of its own; those that a crash left out are bound now."""
        tags = [each for each in world.people.passes if each.kind == "tag"]
        with self.db.read() as tx:
            known = self.passes.of_persons(tx, self.scope, [_holder(world, each).id for each in tags])
        bound = {held.state.person: held for held in known if held.state.kind == "tag"}
        for each in tags:
            person = _holder(world, each)
            if person.id not in bound:
                pass_id = self.passes.bind_tag(self.scope, person.id, tag_number(self.secret, person.id))
                with self.db.write() as tx:
                    self.registry.record(tx, [_since(each, person, pass_id)], BY)

    def wallet(self, world: World) -> Wallet:
        """Every pass again as somebody would hold it up; reads only, so that a restart finds the same."""
        with self.db.read() as tx:
            found = self.passes.of_persons(tx, self.scope, [person.id for person in world.people.persons])
            uids = {community: self.registry.uid(tx, community) for community in COMMUNITIES}
            cards, handles = {}, {}
            for shown, held in _matched(world, found):
                if shown.kind == "card":
                    cards[shown.number] = self.passes.text(tx, held)
                elif held.row.sealed_handle is not None:
                    handles[shown.number] = self.keys.open_handle(uids[held.community], held.row.sealed_handle)
        return Wallet(world.people, self.secret, uids, cards, handles)


def _matched(world: World, found: Sequence[Held]) -> Iterator[tuple[DemoPass, Held]]:
    """Passes of the simulator with those of the registry: nobody has two of a kind but a card and its replacement."""
    by_person: dict[tuple[str | None, str, bool], list[Held]] = defaultdict(list)
    for held in found:
        by_person[held.state.person, held.state.kind, held.state.status != "active"].append(held)
    for shown in world.people.passes:
        key = (_holder(world, shown).id, shown.kind, shown.revoked_ms is not None)
        for held in by_person[key][:1]:
            yield shown, held


def _holder(world: World, shown: DemoPass) -> DemoPerson:
    return world.people.persons[shown.person]


def _since(shown: DemoPass, person: DemoPerson, pass_id: str) -> Change:
    state = Pass(person=person.id, kind=shown.kind, type=shown.type, from_ms=shown.from_ms)
    return Change(person.community, "pass", pass_id, shown.from_ms, state)


def _places(world: World) -> Iterator[Change]:
    since_ms = world.plan.founded_ms
    kinds = (("zone", places.zones()), ("gate", places.gates()), ("grid", places.grids()))
    for kind, found in kinds:
        for (community, entity), state in found.items():
            yield Change(community, kind, entity, since_ms, state)


def _people(world: World) -> Iterator[Change]:
    since_ms = world.plan.founded_ms
    for each in world.people.households:
        state = Household(unit=each.unit, building=each.building)
        yield Change(each.community, "household", each.id, since_ms, state)
    for person in world.people.persons:
        shown = world.people.carried.get(person.number)
        from_ms = shown.from_ms if shown and person.type == "visitor" else since_ms
        yield Change(
            person.community, "person", person.id, from_ms, Person(household=person.household, type=person.type)
        )
    for hold in world.holds:
        person = world.people.persons[hold.person]
        data = Hold(kind="isolation", from_ms=hold.from_ms, until_ms=hold.until_ms)
        yield Change(person.community, "hold", person.id, hold.from_ms, data)
