"""Who is in a zone that has to be cleared, by name: a guard on duty, a reason, a row in everyone's log."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from community_flow.domain.addresses import natural
from community_flow.domain.errors import Invalid
from community_flow.domain.scope import Scope
from community_flow.domain.sealing import text
from community_flow.ports import Clock, Database
from community_flow.ports.audit import AuditLog, Look
from community_flow.ports.gate import GateReader, RollStore, Shift, Tick
from community_flow.ports.ingest import Trusted
from community_flow.ports.people import Found, PeopleStore
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.registry import Registry

REASONS = ("fire", "gas", "quake", "drill", "other")
ROLL_MS = 12 * 3_600_000
"""A roll call is over by then: who was ticked is forgotten."""

AHEAD_MS = 10 * 60_000
"""A phone's clock may be ahead; further than this, a tick would hold against every later one."""


@dataclass(frozen=True)
class Present:
    """One person to look for. ``key`` is the same in each roll call of a day and means nothing elsewhere."""

    key: str
    name: str
    unit: str | None
    building: str | None


@dataclass(frozen=True)
class RollCall:
    zone: str
    as_of_ms: int
    people: tuple[Present, ...]
    unnamed: int
    """Visits of whoever has no name here: found by nobody's list, so they are counted."""


class RollCalls:
    def __init__(
        self, db: Database, registry: Registry, reader: GateReader, people: PeopleStore, keys: CommunityKeys,
        audit: AuditLog, clock: Clock, rolls: RollStore,
    ) -> None:  # fmt: skip
        self.db, self.registry, self.reader, self.people, self.rolls = db, registry, reader, people, rolls
        self.keys, self.audit, self.clock = keys, audit, clock

    def call(self, trusted: Trusted, shift: Shift, zone: str, reason: str) -> RollCall:
        """Everybody with an open visit of the zone; raises NotFound for a foreign zone."""
        if reason not in REASONS:
            raise Invalid("Say why the zone has to be cleared: fire, gas, quake, drill or other.", field="reason")
        scope, now_ms = Scope.system({trusted.community}), self.clock.now_ms()
        with self.db.write() as tx:
            self.registry.one(tx, scope, "zone", zone)
            persons = self.reader.inside(tx, scope, zone, now_ms)
            found = self.people.of_ids(tx, scope, sorted(persons))
            people = sorted((self._present(trusted, each) for each in found.values()), key=_order)
            rows = [_look(shift, zone, reason, person) for person in sorted(found)]
            self.audit.append(tx, _look(shift, zone, reason, None, len(people)), *rows)
            visits = self.reader.zone_counts(tx, scope, now_ms).get(zone, 0)
        return RollCall(zone, now_ms, tuple(people), max(0, visits - len(people)))

    def tick(self, trusted: Trusted, zone: str, ticks: Sequence[Tick]) -> list[Tick]:
        """Keep what a phone ticked, in whatever order it arrives, and tell what all phones did in this zone.

        A phone may have been without network since: nobody need be on duty any more, and who tapped is in the tick.
        """
        now_ms = self.clock.now_ms()
        since_ms = now_ms - ROLL_MS
        known = [each for each in ticks if since_ms <= each.at_ms <= now_ms + AHEAD_MS]
        with self.db.write() as tx:
            self.registry.one(tx, Scope.system({trusted.community}), "zone", zone)
            self.rolls.forget(tx, trusted.community, since_ms)
            self.rolls.keep(tx, trusted.community, zone, known)
            return self.rolls.since(tx, trusted.community, zone, since_ms)

    def ticks(self, trusted: Trusted, zone: str) -> list[Tick]:
        """What all phones ticked in this zone."""
        with self.db.read() as tx:
            self.registry.one(tx, Scope.system({trusted.community}), "zone", zone)
            return self.rolls.since(tx, trusted.community, zone, self.clock.now_ms() - ROLL_MS)

    def _present(self, trusted: Trusted, found: Found) -> Present:
        secret = self.keys.table_secret(trusted.uid)
        key = text(hmac.digest(secret, b"cf/roll-call/v1" + found.person.encode(), hashlib.sha256)[:9])
        household = found.household
        name = found.row.name if found.row else "—"
        return Present(key, name, household.unit if household else None, household.building if household else None)


def _order(present: Present) -> tuple[object, str]:
    return natural(present.unit or "~"), present.name


def _look(shift: Shift, zone: str, reason: str, person: str | None, found: int | None = None) -> Look:
    detail = {"zone": zone, "reason": reason, **({} if found is None else {"found": found})}
    return Look(
        account=shift.account, role="guard", action="gate.rollcall", community=shift.community, person=person,
        subject=shift.device, purpose="evacuation", detail=detail,
    )  # fmt: skip
