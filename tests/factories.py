"""Communities, accounts and devices for tests: as small as a test needs, as real as the product makes them."""

from __future__ import annotations

import itertools
from typing import Any

from community_flow.domain.places import Area, Community, Gate, Household, Person, Zone
from community_flow.domain.scope import Role
from community_flow.ports.accounts import Account
from community_flow.services.accounts import SignedIn
from community_flow.services.registry import Change
from community_flow.wiring.core import Core

_numbers = itertools.count(1)


def small_community(core: Core, community: str = "garden", area: str = "district") -> str:
    """A compound with a building and a clinic; a scanned east gate, a counted west gate, the clinic's door."""
    compound = Zone(names={"zh": "小区", "en": "Compound"}, kind="compound", capacity=500)
    building = Zone(names={"zh": "1号楼", "en": "Building 1"}, kind="building", parent="compound")
    clinic = Zone(names={"zh": "诊所", "en": "Clinic"}, kind="room", parent="compound", capacity=30)
    east = Gate(names={"zh": "东门", "en": "East gate"}, inner="compound", walk={"west": 240})
    west = Gate(names={"zh": "西门", "en": "West gate"}, inner="compound", entries="counted", exits="counted")
    door = Gate(names={"zh": "诊所门", "en": "Clinic door"}, inner="clinic", outer="compound", passback="off")
    with core.db.write() as tx:
        if area not in core.registry.areas(tx):
            core.registry.add_area(tx, area, Area(names={"zh": "城关街道", "en": "Chengguan"}), "test")
        names = {"zh": "花园小区", "en": "Garden Court"}
        core.registry.add_community(tx, community, Community(names=names, area=area), "test")
        rows: list[tuple[str, str, Any]] = [
            ("zone", "compound", compound), ("zone", "b1", building), ("zone", "clinic", clinic),
            ("gate", "east", east), ("gate", "west", west), ("gate", "clinic-door", door),
        ]  # fmt: skip
        core.registry.record(tx, [Change(community, kind, entity, 0, data) for kind, entity, data in rows], "test")
    return community


def a_person(core: Core, community: str = "garden", unit: str = "1-1-101", person: str | None = None) -> str:
    """A resident without a name: what the fold sees of one."""
    person = person or f"p_{next(_numbers):012d}".replace("0", "a").replace("1", "b").replace("8", "c").replace(
        "9", "d"
    )
    household = f"h_{unit}"
    with core.db.write() as tx:
        changes = [
            Change(community, "household", household, 0, Household(unit=unit, building="b1")),
            Change(community, "person", person, 0, Person(household=household)),
        ]
        core.registry.record(tx, changes, "test")
    return person


def an_account(
    core: Core,
    role: Role,
    communities: tuple[str, ...] = ("garden",),
    areas: tuple[str, ...] = (),
    person: str | None = None,
    login: str | None = None,
    authority: str | None = None,
    gates: tuple[str, ...] | None = None,
) -> SignedIn:
    """An account that can be used at once."""
    if role is Role.OFFICIAL:
        areas, communities, authority = areas or ("district",), (), authority or "District CDC"
    if role is Role.ADMIN:
        communities = ()
    account = Account(
        account="", login=login or f"{role}-{next(_numbers)}", name=str(role).title(), role=role,
        communities=communities, areas=areas, person=person, authority=authority, language="en",
        gates=gates,
    )  # fmt: skip
    made = core.accounts.add(account, None, "test")
    found = core.accounts.of_session(made.account, made.epoch)
    assert found is not None
    return found
