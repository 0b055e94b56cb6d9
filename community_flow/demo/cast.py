"""Who the tour lets one be: an account per role, without passwords; signed in only by one-time links."""

from __future__ import annotations

from dataclasses import dataclass

from community_flow.demo import places
from community_flow.demo.people import DemoPass
from community_flow.demo.simulator import World
from community_flow.domain.scope import Role
from community_flow.ports.accounts import Account

AUTHORITY = "星河街道疾控组"
ORDER_NUMBER = "星疾控〔2026〕14号"
BASIS = "《中华人民共和国传染病防治法》第三十九条"


@dataclass(frozen=True)
class Cast:
    """People of the world that the tour speaks of. ``resident`` and ``revoked`` are passes to hold up."""

    resident: DemoPass
    revoked: DemoPass
    looked_at: str
    index: str | None


def cast_of(world: World) -> Cast:
    """The same for the same world: somebody ordinary with a card, a revoked card, and who will be looked at."""
    people = world.people
    busy = {story.person for story in world.stories} | {hold.person for hold in world.holds}
    ordinary = (
        each
        for each in people.passes
        if each.kind == "card"
        and each.revoked_ms is None
        and people.persons[each.person].life in ("retired", "home", "office")
        and people.persons[each.person].community == places.FULL
        and each.person not in busy
    )
    resident = next(ordinary)
    revoked = next(each for each in people.passes if each.revoked_ms is not None)
    index = people.persons[world.cases[0].person].id if world.cases else None
    # Whoever opens the planted case looks at its index person first: that look is what the resident finds in the log.
    looked_at = index or people.persons[resident.person].id
    return Cast(resident, revoked, looked_at, index)


def accounts(cast: Cast) -> list[Account]:
    """One account per role, two officials because identities need both."""
    here = (places.FULL, places.SMALL)
    return [
        _account("guard", "周守门", Role.GUARD, communities=(places.FULL,), gates=("east",)),
        _account("steward", "陈网格", Role.STEWARD, communities=(places.FULL,)),
        _account("manager", "刘主任", Role.MANAGER, communities=here),
        _account("official", "方医生", Role.OFFICIAL, areas=(places.AREA,), authority=AUTHORITY),
        _account("official-2", "郑医生", Role.OFFICIAL, areas=(places.AREA,), authority=AUTHORITY),
        _account("resident", "居民", Role.RESIDENT, communities=(places.FULL,), person=cast.looked_at),
    ]


def login_of(role: str) -> str:
    return f"demo-{role}"


def _account(
    login: str,
    name: str,
    role: Role,
    *,
    communities: tuple[str, ...] = (),
    areas: tuple[str, ...] = (),
    gates: tuple[str, ...] | None = None,
    authority: str | None = None,
    person: str | None = None,
) -> Account:
    return Account(
        account="",
        login=login_of(login),
        name=name,
        role=role,
        communities=communities,
        areas=areas,
        gates=gates,
        authority=authority,
        person=person,
    )
