"""Cards to print: for one person, a building or everybody; who has no card yet gets one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal
from zoneinfo import ZoneInfo

from community_flow.domain.addresses import building_of, natural
from community_flow.domain.errors import Invalid, NotFound
from community_flow.domain.places import Community, Zone, named
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction
from community_flow.ports.audit import Look
from community_flow.ports.cards import CardFace, CardPrinter, Paper
from community_flow.ports.people import Found, Wanted
from community_flow.services.passes import CardWanted, Held
from community_flow.services.people import People

AT_ONCE = 600
"""Cards in one file; more come as one file for each building."""


ENDING_MS = 60 * 86_400_000
"""Cards that end sooner are printed anew at one click."""


@dataclass(frozen=True)
class Building:
    """A building's line on the page for printing."""

    building: str | None
    zone: Zone | None
    people: int
    without_card: int


@dataclass(frozen=True)
class Member:
    """Somebody for whom something is printed."""

    person: str
    name: str
    building: str
    community: str
    timezone: str
    language: Literal["zh", "en"]


class Cards:
    def __init__(self, people: People, printer: CardPrinter) -> None:
        self.people, self.printer = people, printer
        self.db, self.registry, self.passes = people.db, people.registry, people.passes

    def buildings(self, scope: Scope, community: str) -> list[Building]:
        """How many people live where, and how many of them have no card."""
        with self.db.read() as tx:
            residents = self._named(tx, scope, community, Wanted())
            held = self.passes.of_persons(tx, scope, [each.person for each in residents])
            zones = {zone: state for (_, zone), state in self.registry.zones(tx, scope.narrowed(community)).items()}
        carded = {each.state.person for each in held if _current(each)}
        lines = []
        for key, group in groupby(residents, key=_building):
            members = list(group)
            missing = sum(each.person not in carded for each in members)
            zone = members[0].household.building if members[0].household else None
            lines.append(Building(key, zones.get(zone or ""), len(members), missing))
        return lines

    def print(
        self,
        scope: Scope,
        community: str,
        *,
        building: str | None = None,
        persons: Sequence[str] = (),
        paper: Paper = "a4",
    ) -> bytes:
        """The PDF for some people; those without a card are issued one. Each name in it is a look in the log."""
        with self.db.write() as tx:
            residents = self._chosen(tx, scope, community, building, persons)
            faces = self._faces(tx, scope, community, residents)
        return self.printer(faces, paper)

    def expiring(self, scope: Scope, community: str) -> int:
        """How many people's cards end within two months."""
        with self.db.read() as tx:
            return len(self._ending(tx, scope, self._named(tx, scope, community, Wanted())))

    def print_expiring(self, scope: Scope, community: str, paper: Paper = "a4") -> bytes:
        """New prints, good for two years, of the cards that end within two months; the old prints are stopped."""
        with self.db.write() as tx:
            residents = self._named(tx, scope, community, Wanted())
            ending = dict(list(self._ending(tx, scope, residents).items())[:AT_ONCE])
            if not ending:
                raise NotFound("No card ends within two months: there is nothing to print.")
            for held in ending.values():
                self.passes.renew(tx, scope, held)
            faces = self._faces(tx, scope, community, [each for each in residents if each.person in ending])
            # Drawn before the renewal is kept: a name that no font can draw must not stop a card in somebody's hand.
            return self.printer(faces, paper)

    def print_all(self, scope: Scope, community: str, paper: Paper = "a4") -> Iterator[tuple[str, bytes]]:
        """(file name, PDF) of one building after the other, so that a large set can be sent while it is made."""
        for name, persons in self.files(scope, community):
            yield name, self.print(scope, community, persons=persons, paper=paper)

    def files(self, scope: Scope, community: str) -> list[tuple[str, list[str]]]:
        """Which people's cards are in which file: those of a building, in parts where they are too many for one."""
        with self.db.read() as tx:
            residents = self._named(tx, scope, community, Wanted())
        made = []
        for building, group in groupby(residents, key=_building):
            members, stem = [each.person for each in group], f"cards-{community}-{building or 'other'}"
            parts = [members[at : at + AT_ONCE] for at in range(0, len(members), AT_ONCE)]
            names = [f"{stem}.pdf"] if len(parts) == 1 else [f"{stem}-part{at}.pdf" for at in range(1, len(parts) + 1)]
            made += list(zip(names, parts, strict=True))
        return made

    def members(
        self, tx: Transaction, scope: Scope, community: str, *, building: str | None, persons: Sequence[str] = ()
    ) -> list[Member]:
        """Who is meant by a choice on the page for printing, in the order of doors."""
        chosen = self._chosen(tx, scope, community, building, persons)
        about: Community = self.registry.one(tx, scope, "community", community)[1]
        zones = {zone: state for (_, zone), state in self.registry.zones(tx, scope.narrowed(community)).items()}
        name = named(about.names, about.language)
        return [
            Member(each.person, each.row.name if each.row else "", _house(each, zones, about.language), name,
                   about.timezone, about.language)
            for each in chosen
        ]  # fmt: skip

    def count(self, scope: Scope, community: str) -> int:
        return sum(line.people for line in self.buildings(scope, community))

    # --- inside --------------------------------------------------------------------------------------------------

    def _chosen(
        self, tx: Transaction, scope: Scope, community: str, building: str | None, persons: Sequence[str]
    ) -> list[Found]:
        residents = self._named(tx, scope, community, Wanted())
        if persons:
            chosen = set(persons)
            residents = [each for each in residents if each.person in chosen]
        elif building is not None:
            residents = [each for each in residents if (_building(each) or "") == building]
        if not residents:
            raise NotFound("Nobody to print a card for: add people first.")
        if len(residents) > AT_ONCE:
            raise Invalid("Over 600 cards in one file: print building by building.")
        return residents

    def _named(self, tx: Transaction, scope: Scope, community: str, wanted: Wanted) -> list[Found]:
        """Everybody of one community who has a name, in the order of doors. Visitors have passes of their own, that end
        with the visit."""
        if not scope.sees(community):
            raise NotFound("There is no community by that name: choose one from the list.")
        narrowed = scope.narrowed(community)
        found = self.people.store.find(tx, narrowed, self.people.narrowed(tx, narrowed, wanted))
        found = [each for each in found if each.row and each.row.name and each.state.type != "visitor"]
        return sorted(found, key=lambda each: (natural(each.unit or "~"), each.person))

    def _faces(self, tx: Transaction, scope: Scope, community: str, residents: Sequence[Found]) -> list[CardFace]:
        cards = self._cards(tx, scope, community, residents)
        about: Community = self.registry.one(tx, scope, "community", community)[1]
        zones = {zone: state for (_, zone), state in self.registry.zones(tx, scope.narrowed(community)).items()}
        looks = [
            Look(account=scope.account, role=scope.role, action="card.print", community=community, person=each.person,
                 subject=cards[each.person].pass_id)
            for each in residents
        ]  # fmt: skip
        self.people.audit.append(tx, *looks)
        return [self._face(tx, each, cards[each.person], about, zones) for each in residents]

    def _cards(self, tx: Transaction, scope: Scope, community: str, residents: Sequence[Found]) -> dict[str, Held]:
        """A card of each person; those without one are issued theirs."""
        persons = [each.person for each in residents]
        cards = self._held(tx, scope, persons)
        wanted = [
            CardWanted(person=each.person, type=each.state.type) for each in residents if each.person not in cards
        ]
        if wanted:
            self.passes.issue_cards(tx, community, wanted, scope)
            cards = self._held(tx, scope, persons)
        return cards

    def _held(self, tx: Transaction, scope: Scope, persons: Sequence[str]) -> dict[str, Held]:
        held = [each for each in self.passes.of_persons(tx, scope, persons) if _current(each)]
        held.sort(key=lambda each: each.row.issued_ms)
        return {each.state.person: each for each in held if each.state.person}

    def _ending(self, tx: Transaction, scope: Scope, residents: Sequence[Found]) -> dict[str, Held]:
        soon_ms = self.people.clock.now_ms() + ENDING_MS
        cards = self._held(tx, scope, [each.person for each in residents])
        return {person: held for person, held in cards.items() if (held.state.until_ms or soon_ms) < soon_ms}

    def _face(
        self, tx: Transaction, found: Found, held: Held, community: Community, zones: dict[str, Zone]
    ) -> CardFace:
        language = community.language
        until_ms = (held.state.until_ms or 0) - 1
        last = datetime.fromtimestamp(until_ms / 1000, ZoneInfo(community.timezone)).date()
        return CardFace(
            person=found.person,
            name=found.row.name if found.row else "",
            building=_house(found, zones, language),
            community=named(community.names, language),
            text=self.passes.text(tx, held),
            short_code=held.row.short_code or "",
            until=last.isoformat(),
            serial=held.state.serial,
            language=language,
        )


def _house(found: Found, zones: dict[str, Zone], language: Literal["zh", "en"]) -> str:
    zone = zones.get(found.household.building or "") if found.household else None
    return named(zone.names, language) if zone else _plain_building(found.unit, language)


def _current(held: Held) -> bool:
    return held.state.kind == "card" and held.state.status == "active" and held.row.sealed_handle is not None


def _building(found: Found) -> str | None:
    return building_of(found.unit) if found.unit else None


def _plain_building(unit: str | None, language: str) -> str:
    if not unit:
        return ""
    return f"{building_of(unit)}号楼" if language == "zh" else f"Building {building_of(unit)}"
