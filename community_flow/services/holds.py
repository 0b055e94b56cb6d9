"""Holds: send somebody to the desk. The gate learns that there is one, never why."""

from __future__ import annotations

from typing import Literal

from community_flow.domain.errors import Conflict, Forbidden, Invalid
from community_flow.domain.places import Hold
from community_flow.domain.scope import Scope
from community_flow.services.people import OFFICE, People
from community_flow.services.registry import Change

HoldKind = Literal["isolation", "health", "office"]


class Holds:
    def __init__(self, people: People) -> None:
        self.people = people

    def hold(self, scope: Scope, person: str, kind: HoldKind, until_ms: int | None = None) -> None:
        """Send somebody to the desk from now on; the gate never learns why."""
        now_ms = self.people.clock.now_ms()
        if until_ms is not None and until_ms <= now_ms:
            raise Invalid("A hold ends in the future: choose a later day.", field="until")
        with self.people.db.write() as tx:
            found = self.people.living(tx, scope, person)
            state = Hold(kind=kind, from_ms=now_ms, until_ms=until_ms)
            self.people.registry.record(tx, [Change(found.community, "hold", person, now_ms, state)], scope.account)
            self.people.passes.touch_of(tx, found.community, [person])
            self.people.log(tx, scope, "person.hold", found, detail={"kind": kind, "until_ms": until_ms})

    def release(self, scope: Scope, person: str) -> None:
        with self.people.db.write() as tx:
            found = self.people.found(tx, scope, person)
            if self.people.held(tx, scope, found) is None:
                raise Conflict("There is no hold on this person.")
            change = Change(found.community, "hold", person, self.people.clock.now_ms(), None)
            self.people.registry.record(tx, [change], scope.account)
            self.people.passes.touch_of(tx, found.community, [person])
            self.people.log(tx, scope, "person.release", found)

    def hold_reason(self, scope: Scope, person: str) -> Hold | None:
        """Why somebody is held: for the office only."""
        if scope.role not in OFFICE:
            raise Forbidden("The reason of a hold is not shown here: send the person to the desk.")
        with self.people.db.write() as tx:
            found = self.people.found(tx, scope, person)
            self.people.log(tx, scope, "person.hold.look", found)
            return self.people.held(tx, scope, found)
