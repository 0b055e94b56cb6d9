"""Areas, communities, zones, gates and grids: what may stand beside what, and from when."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from community_flow.domain.errors import Conflict, Forbidden, Invalid, NotFound
from community_flow.domain.places import KINDS, OUTSIDE, Area, Community, Gate, Grid, Zone
from community_flow.domain.scope import Role, Scope
from community_flow.ports import Clock, Database, Transaction
from community_flow.ports.audit import AuditLog, Look
from community_flow.services.registry import NO_COMMUNITY, SLUG, Change, Registry

ALWAYS = 0
"""Valid from: places that are entered today stood there before, also for scans that arrive late."""

NO_ZONE = "There is no zone with the id %(zone)s: make it first, or choose one from the list."
LONGEST_WALK_S = 24 * 3600


class Places:
    def __init__(self, db: Database, registry: Registry, audit: AuditLog, clock: Clock) -> None:
        self.db, self.registry, self.audit, self.clock = db, registry, audit, clock

    # --- reading -------------------------------------------------------------------------------------------------

    def all(self, scope: Scope, kind: str) -> list[tuple[str, str, Any]]:
        """(community, id, state) of a kind in scope."""
        with self.db.read() as tx:
            if kind == "area":
                return [(NO_COMMUNITY, area, state) for area, state in self._areas_above(tx, scope).items()]
            return self.registry.store.current(tx, scope, kind)

    def one(self, scope: Scope, kind: str, community: str, entity: str) -> Any:
        """One place; raises NotFound."""
        found = {(where, name): state for where, name, state in self.all(scope, kind)}
        if (community, entity) not in found:
            raise NotFound("Nothing by that name here: choose it from the list.")
        return found[community, entity]

    # --- writing -------------------------------------------------------------------------------------------------

    def add(self, scope: Scope, kind: str, community: str, entity: str, data: Any, from_ms: int | None = None) -> None:
        """A new place; raises Conflict when the id is taken."""
        with self.db.write() as tx:
            self.add_in(tx, scope, kind, community, entity, data, ALWAYS if from_ms is None else from_ms)

    def add_in(
        self, tx: Transaction, scope: Scope, kind: str, community: str, entity: str, data: Any, from_ms: int = ALWAYS
    ) -> None:
        self._may(tx, scope, kind, community)
        if not SLUG.fullmatch(entity):
            raise Invalid("An id has 1-40 small letters, digits and hyphens, for example east-gate.", field="id")
        if self._known(tx, kind, community, entity):
            raise Conflict("The id %(id)s is taken: choose another one.", field="id", id=entity)
        state = typed(kind, data)
        self._check(tx, kind, community, entity, state)
        if kind == "community":
            self.registry.add_community(tx, community, state, scope.account)
        else:
            self.registry.record(tx, [Change(community, kind, entity, from_ms, state)], scope.account)
        self._log(tx, scope, f"{kind}.add", community, entity)

    def change(
        self,
        scope: Scope,
        kind: str,
        community: str,
        entity: str,
        fields: Mapping[str, Any],
        from_ms: int | None = None,
    ) -> None:
        """Some fields of a place become others, from now or from a date on."""
        with self.db.write() as tx:
            self._may(tx, scope, kind, community)
            old = self._known(tx, kind, community, entity)
            if old is None:
                raise NotFound("Nothing by that name here: choose it from the list.")
            state = typed(kind, {**msgspec.to_builtins(old), **fields})
            self._check(tx, kind, community, entity, state)
            start_ms = self.clock.now_ms() if from_ms is None else from_ms
            changed = {name: getattr(state, name) for name in fields}
            self.registry.amend(
                tx, community, kind, entity, start_ms, lambda each: msgspec.structs.replace(each, **changed),
                scope.account,
            )  # fmt: skip
            self._log(tx, scope, f"{kind}.change", community, entity, sorted(fields))

    def set_telephone(self, scope: Scope, community: str, number: str) -> None:
        """The office's number, which every gate phone of the community dials; empty for none."""
        dialled = re.sub(r"[\s()./–-]", "", number)
        with self.db.write() as tx:
            self._may(tx, scope, "zone", community)

            def change(state: Community) -> Community:
                return msgspec.structs.replace(state, telephone=dialled)

            self.registry.amend(tx, community, "community", community, self.clock.now_ms(), change, scope.account)
            self._log(tx, scope, "community.change", community, community, ["telephone"])

    def end(self, scope: Scope, kind: str, community: str, entity: str, from_ms: int | None = None) -> None:
        """A zone, gate or grid that is no more; what happened there stays."""
        if kind not in ("zone", "gate", "grid"):
            raise Invalid("Only zones, gates and grids are closed.")
        with self.db.write() as tx:
            self._may(tx, scope, kind, community)
            if self._known(tx, kind, community, entity) is None:
                raise NotFound("Nothing by that name here: choose it from the list.")
            self._unused(tx, kind, community, entity)
            start_ms = self.clock.now_ms() if from_ms is None else from_ms
            self.registry.record(tx, [Change(community, kind, entity, start_ms, None)], scope.account)
            self._log(tx, scope, f"{kind}.end", community, entity)

    def add_buildings(self, tx: Transaction, scope: Scope, community: str, labels: Sequence[str]) -> None:
        """A zone for each building of these names: 7 -> b7, 7号楼."""
        zones = self._zones(tx, community)
        compounds = [zone for zone, state in zones.items() if state.kind == "compound"]
        parent = compounds[0] if len(compounds) == 1 else None
        for label in labels:
            zone = "b" + label.lower().replace("期", "-")
            if zone not in zones and SLUG.fullmatch(zone):
                self.add_in(tx, scope, "zone", community, zone, building(label, parent))

    # --- rules ---------------------------------------------------------------------------------------------------

    def _check(self, tx: Transaction, kind: str, community: str, entity: str, state: Any) -> None:
        if kind == "zone":
            self._check_zone(self._zones(tx, community), entity, state)
        elif kind == "gate":
            self._check_gate(tx, community, entity, state)
        elif kind == "grid":
            self._check_grid(self._zones(tx, community), state)
        elif kind == "area":
            self._check_area(self.registry.areas(tx), entity, state)
        else:
            self._check_community(tx, state)

    def _check_zone(self, zones: dict[str, Zone], entity: str, zone: Zone) -> None:
        if zone.parent is not None and zone.parent not in zones:
            raise Invalid(NO_ZONE, field="parent", zone=zone.parent)
        if entity in ancestors({**zones, entity: zone}, zone.parent):
            raise Invalid("A zone cannot lie inside itself: choose another outer zone.", field="parent")

    def _check_gate(self, tx: Transaction, community: str, entity: str, gate: Gate) -> None:
        zones = self._zones(tx, community)
        for field, zone in (("inner", gate.inner), ("outer", gate.outer)):
            if zone != OUTSIDE and zone not in zones:
                raise Invalid(NO_ZONE, field=field, zone=zone)
        if gate.inner == OUTSIDE or gate.inner in ancestors(zones, gate.outer):
            raise Invalid("A gate leads inwards: swap the inner and the outer zone.", field="inner")
        gates = {name for where, name in self.registry.gates(tx, Scope.system({community})) if where == community}
        for other, seconds in gate.walk.items():
            if other not in gates | {entity}:
                raise Invalid("There is no gate with the id %(gate)s to walk to.", field="walk", gate=other)
            if not 0 < seconds <= LONGEST_WALK_S:
                raise Invalid("A walk takes 1 to 86,400 seconds.", field="walk")
        if not 0 <= gate.error_rate <= 1:
            raise Invalid("An error rate lies between 0 and 1, for example 0.03.", field="error_rate")

    def _check_grid(self, zones: dict[str, Zone], grid: Grid) -> None:
        for zone in grid.zones:
            if zone not in zones:
                raise Invalid(NO_ZONE, field="zones", zone=zone)

    def _check_area(self, areas: dict[str, Area], entity: str, area: Area) -> None:
        if area.parent is not None and area.parent not in areas:
            raise Invalid("There is no area with the id %(area)s: make it first.", field="parent", area=area.parent)
        if entity in ancestors({**areas, entity: area}, area.parent):
            raise Invalid("An area cannot lie inside itself: choose another one above it.", field="parent")

    def _check_community(self, tx: Transaction, state: Community) -> None:
        if state.area not in self.registry.areas(tx):
            raise Invalid("There is no area with the id %(area)s: make it first.", field="area", area=state.area)
        check_timezone(state.timezone)
        if not 0 <= state.cutoff_hour <= 12:
            raise Invalid("A day begins between 0 and 12 o'clock.", field="cutoff_hour")

    def _unused(self, tx: Transaction, kind: str, community: str, entity: str) -> None:
        if kind != "zone":
            return
        inside = [zone for zone, state in self._zones(tx, community).items() if state.parent == entity]
        gates = self.registry.gates(tx, Scope.system({community}))
        used = [gate for (_, gate), state in gates.items() if entity in (state.inner, state.outer)]
        if inside or used:
            first = (inside + used)[0]
            raise Conflict("%(name)s still hangs on this zone: move or close it first.", name=first)

    # --- inside --------------------------------------------------------------------------------------------------

    def _may(self, tx: Transaction, scope: Scope, kind: str, community: str) -> None:
        if kind in ("area", "community"):
            if scope.role is not Role.ADMIN:
                raise Forbidden("Areas and communities are kept by an admin: ask one.")
        elif community not in self.registry.store.communities(tx) or not scope.sees(community):
            raise NotFound("There is no community by that name: choose one from the list.")

    def _known(self, tx: Transaction, kind: str, community: str, entity: str) -> Any:
        rows = self.registry.store.current(tx, Scope.system({community}), kind, entity)
        return rows[0][2] if rows else None

    def _zones(self, tx: Transaction, community: str) -> dict[str, Zone]:
        return {zone: state for (_, zone), state in self.registry.zones(tx, Scope.system({community})).items()}

    def _areas_above(self, tx: Transaction, scope: Scope) -> dict[str, Area]:
        """The areas of the scope's communities and those above them; all of them for an admin."""
        areas = self.registry.areas(tx)
        if scope.role is Role.ADMIN:
            return areas
        mine = {state.area for state in self.registry.communities(tx, scope).values()}
        above = {each for area in mine for each in (area, *ancestors(areas, area))}
        return {area: state for area, state in areas.items() if area in above}

    def _log(
        self, tx: Transaction, scope: Scope, action: str, community: str, entity: str, fields: Sequence[str] = ()
    ) -> None:
        look = Look(
            account=scope.account, role=scope.role, action=action, community=community or None, subject=entity,
            detail={"fields": fields} if fields else {},
        )  # fmt: skip
        self.audit.append(tx, look)


def typed(kind: str, data: Any) -> Any:
    """A state of domain/places.py out of JSON or of itself; raises Invalid with the field."""
    if isinstance(data, KINDS[kind]):
        return data
    unknown = set(data) - set(KINDS[kind].__struct_fields__)
    if unknown:
        raise Invalid("The field %(field)s is not kept: leave it out.", field=min(unknown))
    try:
        state = msgspec.convert(data, KINDS[kind])
    except msgspec.ValidationError as error:
        raise Invalid("This entry cannot be used: %(why)s.", why=str(error)) from error
    check_names(getattr(state, "names", None))
    return state


def check_names(names: dict[str, str] | None) -> None:
    """Raises Invalid for a place without a name, or with one that fits on no sign."""
    if names is None:
        return
    if not set(names) <= {"zh", "en"} or not any(name.strip() for name in names.values()):
        raise Invalid("Give a name in Chinese (zh) or in English (en).", field="names")
    if any(len(name) > 60 for name in names.values()):
        raise Invalid("A name has 60 characters at most.", field="names")


def check_timezone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Invalid(
            "There is no time zone %(timezone)s: write it like Asia/Shanghai.", field="timezone", timezone=timezone[:40]
        ) from error


def ancestors(places: Mapping[str, Any], start: str | None) -> list[str]:
    """``start`` and everything above it; stops at a loop."""
    above: list[str] = []
    while start is not None and start in places and start not in above:
        above.append(start)
        start = places[start].parent
    return above


def building(label: str, parent: str | None) -> Zone:
    """The zone of a building that people call by ``label``: 7 -> 7号楼, Building 7."""
    zh = f"{label}座" if label.isalpha() else f"{label}号楼"
    return Zone(names={"zh": zh, "en": f"Building {label}"}, kind="building", parent=parent)
