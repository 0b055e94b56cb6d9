"""Visitors whom the office expects: for a unit, for a time, with a pass to show or only on the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from community_flow.domain.errors import Invalid
from community_flow.domain.places import Pass
from community_flow.domain.residents import Resident
from community_flow.domain.scope import Scope
from community_flow.ports.people import Found, Wanted
from community_flow.ports.visitors import Stay, StayReader
from community_flow.services.passes import CardWanted, Held
from community_flow.services.people import People, shown_name
from community_flow.services.registry import Change

DAY_MS = 86_400_000
LONGEST_MS = 30 * DAY_MS

Standing = Literal["expected", "inside", "overstayed", "left", "expired", "not_yet"]


@dataclass(frozen=True)
class Visitor:
    """One line of the list; the name is masked."""

    found: Found
    name: str
    held: Held | None
    from_ms: int | None
    until_ms: int | None
    stay: Stay | None
    standing: Standing


class Visitors:
    def __init__(self, people: People, stays: StayReader) -> None:
        self.people, self.stays = people, stays
        self.db, self.clock, self.passes = people.db, people.clock, people.passes

    def register(self, scope: Scope, community: str, visitor: Resident, from_ms: int, until_ms: int) -> str:
        """Expect somebody; gives the id of the pass to show, which is also what the list is kept by."""
        if not from_ms < until_ms <= from_ms + LONGEST_MS or until_ms <= self.clock.now_ms():
            raise Invalid("A visit ends after it begins, in the future, and lasts 30 days at most.", field="until")
        if not visitor.unit.strip():
            raise Invalid("Say which unit is visited, for example 7-3-1102.", field="unit")
        with self.db.write() as tx:
            guest = msgspec.structs.replace(visitor, type="visitor")
            person = self.people.add_in(tx, scope, community, [guest], min(from_ms, self.clock.now_ms()))[0]
            wanted = CardWanted(person=person, type="visitor", from_ms=from_ms, until_ms=until_ms)
            return self.passes.issue_cards(tx, community, [wanted], scope)[0].pass_id

    def end(self, scope: Scope, pass_id: str) -> None:
        """The visit is over, or will not be: the pass stops working and the person leaves the list."""
        with self.db.write() as tx:
            held = self.passes.held(tx, scope, pass_id)
            if held.state.type != "visitor" or held.state.person is None:
                raise Invalid("This pass does not belong to a visitor: revoke it on the person's page.")
            now_ms = self.clock.now_ms()
            self.passes.end(tx, scope, [held], now_ms)
            found = self.people.found(tx, scope, held.state.person)
            gone = msgspec.structs.replace(found.state, status="moved_out")
            change = Change(held.community, "person", found.person, now_ms, gone)
            self.people.registry.record(tx, [change], scope.account)
            self.people.log(tx, scope, "visitor.end", found)

    def listed(self, scope: Scope, community: str) -> list[Visitor]:
        """Visitors of now and of the last day: who overstays first, then who is inside, then who is expected."""
        now_ms = self.clock.now_ms()
        with self.db.read() as tx:
            wanted = self.people.narrowed(tx, scope, Wanted(types=frozenset({"visitor"})))
            found = self.people.store.find(tx, scope.narrowed(community), wanted)
            persons = [each.person for each in found]
            held = {each.state.person: each for each in self.passes.of_persons(tx, scope, persons)}
            stays = self.stays.stays(tx, community, persons, now_ms - DAY_MS, now_ms)
        lines = [_line(each, held.get(each.person), stays.get(each.person), now_ms) for each in found]
        order: dict[Standing, int] = {
            "overstayed": 0, "inside": 1, "expected": 2, "not_yet": 3, "left": 4, "expired": 5,
        }  # fmt: skip
        recent = [each for each in lines if each.standing != "expired" or (each.until_ms or 0) > now_ms - DAY_MS]
        return sorted(recent, key=lambda each: (order[each.standing], each.until_ms or 0))


def _line(found: Found, held: Held | None, stay: Stay | None, now_ms: int) -> Visitor:
    state: Pass | None = held.state if held else None
    from_ms, until_ms = (state.from_ms, state.until_ms) if state else (None, None)
    return Visitor(found, shown_name(found), held, from_ms, until_ms, stay, _standing(from_ms, until_ms, stay, now_ms))


def _standing(from_ms: int | None, until_ms: int | None, stay: Stay | None, now_ms: int) -> Standing:
    over = until_ms is not None and until_ms <= now_ms
    if stay is not None and stay.inside:
        return "overstayed" if over else "inside"
    if over:
        return "left" if stay else "expired"
    if from_ms is not None and from_ms > now_ms:
        return "not_yet"
    return "left" if stay else "expected"
