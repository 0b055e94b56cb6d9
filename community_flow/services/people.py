"""Households and people: add, correct, move, merge, split, erase; find and look, each look in the log."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from community_flow.domain.addresses import building_of, natural, split_address
from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.gate_table import mask
from community_flow.domain.places import Hold, Household, Person, Zone
from community_flow.domain.residents import Resident, clean_name, clean_note, clean_phone
from community_flow.domain.scope import Role, Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditRow, Look
from community_flow.ports.people import Found, PeopleStore, PersonRow, Wanted
from community_flow.ports.registry import Recorded
from community_flow.services.audit import Audit
from community_flow.services.initials import initials
from community_flow.services.passes import Held, Passes
from community_flow.services.registry import Change, Registry

OFFICE = (Role.MANAGER, Role.ADMIN)
"""Who keeps people: names are open to them, and each look is logged."""


@dataclass(frozen=True)
class Line:
    """One person in a list: the name is masked, so that looking for one neighbour does not show them all."""

    found: Found
    name: str

    @property
    def person(self) -> str:
        return self.found.person


@dataclass(frozen=True)
class Page:
    """A person opened: this was a look and is in the log."""

    found: Found
    hold: Hold | None
    passes: Sequence[Held]
    history: Sequence[Recorded]


class People:
    """Methods that take ``tx`` belong to their caller's transaction."""

    def __init__(
        self, db: Database, registry: Registry, store: PeopleStore, passes: Passes, audit: Audit, clock: Clock,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:  # fmt: skip
        self.db, self.registry, self.store, self.passes = db, registry, store, passes
        self.audit, self.clock, self.random = audit, clock, random

    # --- finding and looking -------------------------------------------------------------------------------------

    def search(self, scope: Scope, wanted: Wanted, *, after: int = 0, limit: int = 50) -> tuple[list[Line], int]:
        """(lines in the order of units, how many fit in all). Names are masked."""
        with self.db.read() as tx:
            found = self.store.find(tx, scope, self.narrowed(tx, scope, wanted))
        found.sort(key=lambda each: (each.community, natural(each.unit or "~"), each.person))
        return [Line(each, shown_name(each)) for each in found[after : after + limit]], len(found)

    def look(self, scope: Scope, person: str, purpose: str | None = None) -> Page:
        """Open one person; raises NotFound. The look is logged in the same transaction."""
        with self.db.write() as tx:
            found = self.found(tx, scope, person)
            self.log(tx, scope, "person.look", found, purpose=purpose)
            return Page(
                found,
                self.held(tx, scope, found),
                self.passes.of_persons(tx, scope, [person]),
                self.registry.store.history(tx, found.community, "person", [person]),
            )

    def look_at_all(
        self, scope: Scope, wanted: Wanted, purpose: str | None = None, *, after: int, limit: int
    ) -> tuple[list[Found], int]:
        """People with their names; one row in the log for each of them."""
        with self.db.write() as tx:
            found = self.store.find(tx, scope, self.narrowed(tx, scope, wanted))
            found.sort(key=lambda each: (each.community, natural(each.unit or "~"), each.person))
            shown = found[after : after + limit]
            self.log(tx, scope, "person.look", *shown, purpose=purpose)
        return shown, len(found)

    def who_looked(self, scope: Scope, person: str, limit: int = 20) -> list[AuditRow]:
        """The newest rows of the log about one person."""
        return self.audit.latest(scope, before=None, limit=limit, person=person)

    def found(self, tx: Transaction, scope: Scope, person: str) -> Found:
        """One person in scope, erased or not; raises NotFound."""
        found = self.store.of_ids(tx, scope, [person]).get(person)
        if found is None:
            raise NotFound("Nothing by that name here: choose it from the list.")
        return found

    def narrowed(self, tx: Transaction, scope: Scope, wanted: Wanted) -> Wanted:
        """A search within the grids of a scope that has some."""
        if scope.grids is None:
            return wanted
        grids = self.registry.store.current(tx, scope, "grid")
        zones = frozenset(zone for _, grid, state in grids if grid in scope.grids for zone in state.zones)
        return replace(wanted, buildings=zones if wanted.buildings is None else zones & wanted.buildings)

    # --- keeping -------------------------------------------------------------------------------------------------

    def add(self, scope: Scope, community: str, resident: Resident) -> str:
        """A new person from now on."""
        with self.db.write() as tx:
            return self.add_in(tx, scope, community, [resident])[0]

    def add_in(
        self, tx: Transaction, scope: Scope, community: str, residents: Sequence[Resident], from_ms: int | None = None
    ) -> list[str]:
        """New people, and households for units that have none."""
        self._own(scope, community)
        from_ms = self.clock.now_ms() if from_ms is None else from_ms
        rows = [self._row(community, self._id("p_"), each) for each in residents]
        homes = self.households(tx, scope, community, [each.unit for each in residents], from_ms)
        changes = [
            Change(community, "person", row.person, from_ms, Person(household=home, type=each.type))
            for row, home, each in zip(rows, homes, residents, strict=True)
        ]
        self.registry.record(tx, changes, scope.account)
        self.store.add(tx, rows)
        self._note(tx, scope, community, "person.add", [row.person for row in rows])
        return [row.person for row in rows]

    def households(
        self, tx: Transaction, scope: Scope, community: str, units: Sequence[str], from_ms: int
    ) -> list[str | None]:
        """The household of each unit (None for an empty one); those that are missing are made."""
        wanted = {unit: split_address(unit).unit for unit in set(units) if unit.strip()}
        known = self._homes(tx, community, sorted(set(wanted.values())))
        missing = sorted(set(wanted.values()) - set(known))
        if missing:
            zones = buildings(self.registry.zones(tx, Scope.system({community})))
            made = {unit: self._id("h_") for unit in missing}
            changes = [
                Change(
                    community, "household", home, from_ms, Household(unit=unit, building=zones.get(building_of(unit)))
                )
                for unit, home in made.items()
            ]
            self.registry.record(tx, changes, scope.account)
            known |= made
        return [known[wanted[unit]] if unit in wanted else None for unit in units]

    def correct(self, scope: Scope, person: str, resident: Resident) -> None:
        """Other name, telephone, note or kind; the unit changes by a move, which has a date."""
        with self.db.write() as tx:
            found = self.living(tx, scope, person)
            row = self._row(found.community, person, resident)
            created_ms = found.row.created_ms if found.row else row.created_ms
            self.store.save(tx, [replace(row, created_ms=created_ms)])
            if resident.type != found.state.type:
                self._amend(tx, scope, found, self.clock.now_ms(), type=resident.type)
            self.passes.touch_of(tx, found.community, [person])
            self.log(tx, scope, "person.correct", found, detail={"fields": _differing(found.row, row)})

    def update_in(self, tx: Transaction, scope: Scope, found: Found, resident: Resident) -> None:
        """What a newer list says of somebody who is known; what it leaves out stays."""
        old = found.row
        row = self._row(found.community, found.person, resident)
        if old is not None:
            row = replace(row, phone=row.phone or old.phone, note=row.note or old.note, created_ms=old.created_ms)
        self.store.save(tx, [row])
        now_ms = self.clock.now_ms()
        fields: dict[str, Any] = {"type": resident.type}
        if resident.unit and resident.unit != found.unit:
            fields["household"] = self.households(tx, scope, found.community, [resident.unit], now_ms)[0]
        self._amend(tx, scope, found, now_ms, **fields)
        self.passes.touch_of(tx, found.community, [found.person])
        self.log(tx, scope, "person.import", found, detail={"fields": _differing(old, row)})

    def move(self, scope: Scope, person: str, unit: str, from_ms: int) -> None:
        """Into another household of the community from a date on."""
        with self.db.write() as tx:
            found = self.living(tx, scope, person)
            home = self.households(tx, scope, found.community, [unit], from_ms)[0]
            self._amend(tx, scope, found, from_ms, household=home)
            self.passes.touch_of(tx, found.community, [person])
            self.log(tx, scope, "person.move", found, detail={"unit": unit, "from_ms": from_ms})

    def move_out(self, scope: Scope, person: str, from_ms: int) -> None:
        """Away from a date on: every pass ends then."""
        with self.db.write() as tx:
            found = self.living(tx, scope, person)
            self._amend(tx, scope, found, from_ms, status="moved_out")
            self.passes.end(tx, scope, self.passes.of_persons(tx, scope, [person]), from_ms)
            self.log(tx, scope, "person.move_out", found, detail={"from_ms": from_ms})

    def merge(self, scope: Scope, person: str, into: str, from_ms: int) -> None:
        """Two records of one human: from a date on, passes of ``person`` are those of ``into``."""
        with self.db.write() as tx:
            gone, kept = self.living(tx, scope, person), self.living(tx, scope, into)
            if person == into or gone.community != kept.community:
                raise Invalid("Choose another person of the same community.", field="into")
            self.passes.give(tx, scope, self.passes.of_persons(tx, scope, [person]), into, from_ms)
            self._amend(tx, scope, gone, from_ms, status="merged", merged_into=into)
            hold = self.held(tx, scope, gone)
            if hold is not None and self.held(tx, scope, kept) is None:
                change = Change(kept.community, "hold", into, max(from_ms, hold.from_ms), hold)
                self.registry.record(tx, [change], scope.account)
            self.log(tx, scope, "person.merge", gone, kept, detail={"into": into, "from_ms": from_ms})

    def split(self, scope: Scope, person: str, passes: Sequence[str], resident: Resident, from_ms: int) -> str:
        """One record of two humans: some passes go to a new person from a date on. Gives the new person's id."""
        with self.db.write() as tx:
            found = self.living(tx, scope, person)
            held = {each.pass_id: each for each in self.passes.of_persons(tx, scope, [person])}
            if not passes or not set(passes) <= set(held):
                raise Invalid("Choose at least one pass of this person for the new one.", field="passes")
            unit = resident.unit or found.unit or ""
            new = msgspec.structs.replace(resident, unit=unit)
            made = self.add_in(tx, scope, found.community, [new], from_ms)[0]
            self.passes.give(tx, scope, [held[each] for each in passes], made, from_ms)
            self.log(tx, scope, "person.split", found, detail={"new": made, "from_ms": from_ms})
            return made

    # --- erasing -------------------------------------------------------------------------------------------------

    def erase(self, scope: Scope, person: str) -> None:
        """Forget name, telephone and note of somebody who has left; what they did stays without a name."""
        with self.db.write() as tx:
            found = self.found(tx, scope, person)
            if found.state.status == "active":
                raise Conflict("Only people who moved out are erased: record the move-out first.")
            now_ms = self.clock.now_ms()
            blank = PersonRow(
                community=found.community, person=person, name="", initials="", phone=None, note=None,
                created_ms=found.row.created_ms if found.row else now_ms, erased_ms=now_ms,
            )  # fmt: skip
            self.store.save(tx, [blank])
            self.log(tx, scope, "person.erase", found)

    # --- inside --------------------------------------------------------------------------------------------------

    def living(self, tx: Transaction, scope: Scope, person: str) -> Found:
        """One person in scope who is neither gone nor merged; raises NotFound or Conflict."""
        found = self.found(tx, scope, person)
        if found.state.status != "active":
            raise Conflict("This person has moved out or was merged: nothing more is changed there.")
        return found

    def _homes(self, tx: Transaction, community: str, units: Sequence[str]) -> dict[str, str]:
        owned = self.registry.owned(tx, Scope.system({community}), "household", units)
        return {state.unit: household for _, household, state in owned}

    def _row(self, community: str, person: str, resident: Resident) -> PersonRow:
        name = clean_name(resident.name)
        return PersonRow(
            community=community, person=person, name=name, initials=initials(name), phone=clean_phone(resident.phone),
            note=clean_note(resident.note), created_ms=self.clock.now_ms(),
        )  # fmt: skip

    def _amend(self, tx: Transaction, scope: Scope, found: Found, from_ms: int, **fields: Any) -> None:
        self.registry.amend(
            tx, found.community, "person", found.person, from_ms,
            lambda state: msgspec.structs.replace(state, **fields), scope.account,
        )  # fmt: skip

    def held(self, tx: Transaction, scope: Scope, found: Found) -> Hold | None:
        """The hold on somebody now, with its reason: for the office only."""
        rows = self.registry.store.current(tx, scope.narrowed(found.community), "hold", found.person)
        hold: Hold | None = rows[0][2] if rows else None
        over = hold is not None and hold.until_ms is not None and hold.until_ms <= self.clock.now_ms()
        return None if over else hold

    def _id(self, prefix: str) -> str:
        return prefix + base64.b32encode(self.random(8)).decode().lower()[:12]

    def _own(self, scope: Scope, community: str) -> None:
        if not scope.sees(community):
            raise NotFound("There is no community by that name: choose one from the list.")

    def log(
        self, tx: Transaction, scope: Scope, action: str, *found: Found, purpose: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """One row in the log for each of these people."""
        looks = [
            Look(account=scope.account, role=scope.role, action=action, community=each.community, person=each.person,
                 subject=each.person, purpose=purpose, detail=detail or {})
            for each in found
        ]  # fmt: skip
        self.audit.append(tx, *looks)

    def _note(self, tx: Transaction, scope: Scope, community: str, action: str, persons: Sequence[str]) -> None:
        looks = [
            Look(
                account=scope.account,
                role=scope.role,
                action=action,
                community=community,
                person=person,
                subject=person,
            )
            for person in persons
        ]
        self.audit.append(tx, *looks)


def shown_name(found: Found) -> str:
    """The masked name; empty where none is kept."""
    return mask(found.row.name) if found.row and found.row.name else ""


def household_of(unit: str, zones: dict[str, str]) -> Household:
    """A household of a unit; ``zones`` as `buildings` gives them."""
    return Household(unit=unit, building=zones.get(building_of(unit)))


def buildings(zones: dict[tuple[str, str], Zone]) -> dict[str, str]:
    """A building's part of a unit -> its zone: from names such as 7号楼 or Building 7, and ids such as b7."""
    known: dict[str, str] = {}
    for (_, zone), state in zones.items():
        if state.kind in ("building", "home"):
            for label in (zone.removeprefix("b").lstrip("0").upper(), *map(_label, state.names.values())):
                known.setdefault(label, zone)
    return known


def _label(name: str) -> str:
    plain = name.upper().replace("BUILDING", "").replace("BLOCK", "")
    for suffix in ("号楼", "栋", "幢", "座", "楼"):
        plain = plain.replace(suffix, "")
    return plain.strip().lstrip("0")


def _differing(old: PersonRow | None, new: PersonRow) -> list[str]:
    if old is None:
        return ["name"]
    return [name for name in ("name", "phone", "note") if getattr(old, name) != getattr(new, name)]
