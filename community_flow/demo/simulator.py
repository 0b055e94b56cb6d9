"""The whole demo world from one plan: pure, seeded, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from community_flow.demo import aggregates, deliver, habits, infection, observe, strangers
from community_flow.demo.movement import Crossing, TrueVisit, by_person, true_visits
from community_flow.demo.people import People, invent
from community_flow.demo.places import COMPOUND, FULL, DemoDevice, devices
from community_flow.demo.plan import HOUR_MS, Plan
from community_flow.demo.stories import DemoHold, Script, Story, inject


@dataclass(frozen=True)
class World:
    """Everything there is to load, and everything that is true of it."""

    plan: Plan
    people: People
    devices: dict[str, DemoDevice]
    holds: list[DemoHold]
    crossings: list[Crossing]
    visits: list[TrueVisit]
    stories: list[Story]
    cases: list[infection.Case]
    batches: list[deliver.Batch]
    hourly: list[aggregates.HourlyCount]


def simulate(plan: Plan) -> World:
    """The world of ``plan``."""
    people = invent(plan)
    script = Script(plan, people, Random(f"{plan.seed}:stories"), by_person(habits.ordinary_days(plan, people)))
    script.others += strangers.strangers(plan, people)
    # The cluster first, then what is abnormal: a later part uses nobody whom an earlier one used.
    cases = infection.plant(script)
    inject(script)
    crossings = _in_time_order(plan, script)
    observer = observe.Observer(plan, people)
    notes = observer.notes(crossings)
    rng = Random(f"{plan.seed}:desk")
    notes += observe.office_work(plan, people, crossings, rng)
    notes += observe.mistakes(plan, notes, rng)
    visits = true_visits(crossings)
    notes += observe.housekeeping(plan, _head_counts(plan, people, visits), rng)
    notes = [note for note in observe.per_minute(notes, "clinic-camera") if plan.from_ms <= note.t_ms < plan.until_ms]
    return World(
        plan=plan,
        people=people,
        devices=devices(plan),
        holds=script.holds,
        crossings=crossings,
        visits=visits,
        stories=script.stories,
        cases=cases,
        batches=deliver.batches(plan, notes),
        hourly=aggregates.hourly_before(plan, crossings),
    )


def _in_time_order(plan: Plan, script: Script) -> list[Crossing]:
    """All crossings of the period; nobody's crossing comes to lie before the first day."""
    rows = [crossing for rows in script.crossings.values() for crossing in rows] + script.others
    kept = [crossing for crossing in rows if plan.from_ms <= crossing.t_ms < plan.until_ms]
    return sorted(kept, key=lambda each: (each.t_ms, each.gate, each.person))


def _head_counts(plan: Plan, people: People, visits: Sequence[TrueVisit]) -> dict[int, int]:
    """People truly inside the full compound at three in the morning of the first two days and of every Monday."""
    days = plan.dates
    chosen = [day for place, day in enumerate(days) if place < 2 or day.weekday() == 0]
    moments = [plan.midnight_ms(day) + 3 * HOUR_MS for day in chosen]
    return {moment: inside_at(people, visits, moment) for moment in moments}


def inside_at(people: People, visits: Sequence[TrueVisit], t_ms: int) -> int:
    """Known people in the full compound at ``t_ms``: who has an open visit, and residents who never crossed a gate."""
    rows = [visit for visit in visits if visit.community == FULL and visit.zone == COMPOUND]
    moved = {visit.person for visit in rows}
    homebodies = [p for p in people.persons if p.household and p.community == FULL and p.number not in moved]
    return len(homebodies) + sum(_open(visit, t_ms) for visit in rows)


def _open(visit: TrueVisit, t_ms: int) -> bool:
    return (visit.entered_ms is None or visit.entered_ms <= t_ms) and (visit.left_ms is None or visit.left_ms > t_ms)
