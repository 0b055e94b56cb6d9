"""Two gates without network take the same passes: afterwards everything is as if they had been online."""

from __future__ import annotations

from typing import Any

from community_flow.adapters.sql.queries_tracing import SqlMovements
from community_flow.domain.places import Gate, Household, Person
from community_flow.ports.cases import Case
from community_flow.services.contact_search import KINDS, ContactSearch
from community_flow.services.registry import Change
from community_flow.wiring.core import Core
from community_flow.wiring.flow import flow_parts
from tests.factories import small_community
from tests.fakes_flow import DAY_MS, MORNING_MS, FlowKit, scan

MINUTE_MS = 60_000
EAST, WEST = "d_eeeeeeeeeeee", "d_wwwwwwwwwwww"
# who, minute, gate, direction, phone: Lin is let in at both gates, because neither knows of the other.
DAY = [
    ("lin", 0, "east", "in", EAST), ("wang", 5, "west", "in", WEST), ("zhou", 10, "east", "in", EAST),
    ("lin", 20, "west", "in", WEST), ("lin", 25, "clinic-door", "in", WEST), ("zhou", 30, "clinic-door", "in", EAST),
    ("wang", 45, "east", "out", EAST), ("zhou", 55, "clinic-door", "out", WEST),
    ("lin", 58, "clinic-door", "out", EAST), ("zhou", 59, "east", "out", EAST), ("lin", 60, "west", "out", WEST),
]  # fmt: skip


def a_kit(core: Core, community: str) -> FlowKit:
    """A community with the same gates and people as the other."""
    small_community(core, community)
    kit = FlowKit(core, community)
    names = {"zh": "西门", "en": "West gate"}
    kit.register(Change(community, "gate", "west", 0, Gate(names=names, inner="compound", walk={"east": 240})))
    for name in ("lin", "wang", "zhou"):
        home = f"h_{name}_{community}"
        kit.register(Change(community, "household", home, 0, Household(unit=f"1-1-{name}", building="b1")))
        kit.register(Change(community, "person", person(name, community), 0, Person(household=home)))
    kit.flow.drain()
    return kit


def person(name: str, community: str) -> str:
    return f"p_{name}{community}".ljust(14, "x")[:14]


def reports(community: str) -> list[dict[str, Any]]:
    boot = len(community)
    return [
        scan(MORNING_MS + minute * MINUTE_MS, person(name, community), gate, way, device=device, boot=boot, seq=number,
             community=community)
        for number, (name, minute, gate, way, device) in enumerate(DAY)
    ]  # fmt: skip


def told(kit: FlowKit) -> dict[str, Any]:
    """What the day left behind, with minutes instead of times and without the ids of its persons."""
    names = {person(name, kit.community): name for name in ("lin", "wang", "zhou")}

    def minute(ms: int | None) -> int | None:
        return None if ms is None else (ms - MORNING_MS) // MINUTE_MS

    passages = [
        (names[row.person], minute(row.at_ms), row.gate, row.direction)
        for row in kit.listed("passages") if row.person in names
    ]  # fmt: skip
    visits = [
        (names[row.person], row.zone, minute(row.entered_ms), minute(row.left_ms), minute(row.left_earliest_ms))
        for row in kit.listed("visits") if row.person in names
    ]  # fmt: skip
    conflicts = [
        (row.kind, minute(row.at_ms), sorted((device, seq) for device, _, seq in row.evidence))
        for row in kit.listed("conflicts")
    ]  # fmt: skip
    inside = {at: occupancy(kit, MORNING_MS + at * MINUTE_MS) for at in (4, 22, 40, 57, 70)}
    return {
        "passages": sorted(passages), "visits": sorted(visits), "conflicts": sorted(conflicts), "inside": inside,
        "contacts": contacts(kit, names),
    }  # fmt: skip


def occupancy(kit: FlowKit, at_ms: int) -> dict[str, tuple[int, int, int]]:
    with kit.core.db.read() as tx:
        rows = flow_parts(kit.core).passages.occupancy(tx, kit.scope(), kit.community, as_of_ms=at_ms)
    return {row.zone: (row.inside, row.low, row.high) for row in rows}


def contacts(kit: FlowKit, names: dict[str, str]) -> list[Any]:
    case = Case(
        case_id="c_1", number="1", community=kit.community, order_id="o_1", authority="cdc", purpose="test",
        index_person=person("lin", kit.community), from_ms=MORNING_MS, to_ms=MORNING_MS + 120 * MINUTE_MS,
        least_min=5, queue_s=60, kinds=KINDS, opened_by="a_1", opened_ms=MORNING_MS,
    )  # fmt: skip
    search = ContactSearch(SqlMovements(), kit.core.registry)
    with kit.core.db.read() as tx:
        found = search.search(tx, kit.scope(), case, MORNING_MS + DAY_MS)
    return sorted(
        (names[found.people[each.person]], sorted(
            (found.places[part.zone].place, (part.from_ms - MORNING_MS) // MINUTE_MS, part.certain_ms)
            for part in each.exposures
        ))
        for each in found.contacts
    )  # fmt: skip


def test_what_two_gates_wrote_down_alone_comes_out_as_if_they_had_been_online(core: Core) -> None:
    garden, lake = a_kit(core, "garden"), a_kit(core, "lake")
    for report in reports("garden"):  # online: each is folded before the next is made
        garden.fold(report)
    alone = reports("lake")
    lake.fold(*[each for each in reversed(alone) if each["device"] == WEST])  # west has network again, east has not
    between = told(lake)
    lake.fold(*[each for each in reversed(alone) if each["device"] == EAST])
    online, apart = told(garden), told(lake)
    assert apart == online
    assert between != online
    assert "passback" in {kind for kind, *_ in online["conflicts"]}
    assert online["inside"][22]["compound"][0] == 3
    assert online["inside"][70]["compound"][0] == 0
    assert {who for who, _ in online["contacts"]} == {"wang", "zhou"}
    before = lake.fingerprint()
    lake.fold(*alone)  # sent again
    assert lake.fingerprint() == before
