"""The exact truth of a demo world as data, to be written beside it and scored against."""

from __future__ import annotations

from typing import Any

from community_flow.demo import infection
from community_flow.demo.movement import NOBODY
from community_flow.demo.plan import DAY_MS, Plan
from community_flow.demo.simulator import World, inside_at
from community_flow.demo.stories import Story

FORMAT = 1
CONTACT_WINDOW_DAYS = 7
"""Contacts of the index case are asked for from two days before the onset, for so many days."""


def truth_of(world: World) -> dict[str, Any]:
    """Everything true of ``world``, in plain JSON types. Long lists are columns: one list per field."""
    return {
        "format": FORMAT,
        "plan": plan_of(world.plan),
        "size": size_of(world),
        "passages": _passages(world),
        "visits": _visits(world),
        "anomalies": [_anomaly(world, story) for story in world.stories],
        "holds": [_hold(world, place) for place in range(len(world.holds))],
        "cases": _cases(world),
        "inside": _inside(world),
    }


def plan_of(plan: Plan) -> dict[str, Any]:
    return {
        "people": plan.people,
        "days": plan.days,
        "seed": plan.seed,
        "until_ms": plan.until_ms,
        "timezone": plan.timezone,
    }


def size_of(world: World) -> dict[str, int]:
    return {
        "people": len(world.people.persons),
        "households": len(world.people.households),
        "passes": len(world.people.passes),
        "reports": sum(len(batch.reports) for batch in world.batches),
        "batches": len(world.batches),
        "crossings": len(world.crossings),
        "visits": len(world.visits),
    }


def _passages(world: World) -> dict[str, list[Any]]:
    """Every body through a gate; ``scanned``: a pass was read; ``alone``: on the person's own scan."""
    columns: dict[str, list[Any]] = {name: [] for name in ("person", "gate", "direction", "t_ms", "scanned", "alone")}
    for crossing in world.crossings:
        if crossing.decision != "allow" and not crossing.seen:
            continue  # turned back: nobody went through
        for place, person in enumerate(crossing.bodies):
            row = (_id(world, person), crossing.gate, crossing.direction, crossing.t_ms, crossing.seen, place == 0)
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    return columns


def _visits(world: World) -> dict[str, list[Any]]:
    return {
        "person": [_id(world, visit.person) for visit in world.visits],
        "community": [visit.community for visit in world.visits],
        "zone": [visit.zone for visit in world.visits],
        "entered_ms": [visit.entered_ms for visit in world.visits],
        "left_ms": [visit.left_ms for visit in world.visits],
    }


def _anomaly(world: World, story: Story) -> dict[str, Any]:
    return {
        "id": story.id,
        "kind": story.kind,
        "community": story.community,
        "person": _id(world, story.person),
        "gate": story.gate,
        "from_ms": story.from_ms,
        "to_ms": story.to_ms,
    }


def _hold(world: World, place: int) -> dict[str, Any]:
    hold = world.holds[place]
    return {"person": _id(world, hold.person), "from_ms": hold.from_ms, "until_ms": hold.until_ms}


def _cases(world: World) -> dict[str, Any] | None:
    """The cluster and the true contacts of its index case."""
    if not world.cases:
        return None
    index = world.cases[0]
    from_ms = index.infectious_from_ms
    to_ms = min(from_ms + CONTACT_WINDOW_DAYS * DAY_MS, world.plan.until_ms)
    contacts = infection.contacts_of(world.visits, index.person, from_ms, to_ms)
    return {
        "index": _id(world, index.person),
        "from_ms": from_ms,
        "to_ms": to_ms,
        "cases": [
            {
                "person": _id(world, case.person),
                "source": _id(world, case.source),
                "met_ms": case.met_ms,
                "onset_ms": case.onset_ms,
            }
            for case in world.cases
        ],
        "household": [_id(world, person) for person in infection.household_of(world.people, index.person)],
        "contacts": [
            {
                "person": _id(world, contact.person),
                "overlap_ms": contact.overlap_ms,
                "longest_ms": contact.longest_ms,
                "zones": list(contact.zones),
            }
            for contact in contacts
        ],
    }


def _inside(world: World) -> list[dict[str, int]]:
    """People truly in the full compound, every six hours and at the end."""
    if not world.plan.days:
        return []
    moments = [*range(world.plan.from_ms, world.plan.until_ms, DAY_MS // 4), world.plan.until_ms]
    return [{"t_ms": t_ms, "inside": inside_at(world.people, world.visits, t_ms)} for t_ms in moments]


def _id(world: World, person: int | None) -> str | None:
    return None if person is None or person == NOBODY else world.people.persons[person].id
