"""The invented world: the same from the same seed, as large as asked, and true to itself."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from typing import Any

import pytest

from community_flow.demo.movement import NOBODY, Crossing
from community_flow.demo.places import FULL, HALLS, SMALL, gates, walk_s
from community_flow.demo.plan import DAY_MS, HOUR_MS, MINUTE_MS, Plan
from community_flow.demo.simulator import World, simulate
from community_flow.demo.truth import truth_of
from sensors import wire

UNTIL_MS = 1_795_420_800_000  # Mon 2026-11-23 08:00 UTC, an afternoon in Shanghai


def plan(**changes: Any) -> Plan:
    return Plan(**{"people": 240, "days": 14, "seed": 5, "until_ms": UNTIL_MS} | changes)


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(plan())


def of_kind(world: World, kind: str) -> list[Any]:
    return [story for story in world.stories if story.kind == kind]


def scans(world: World) -> list[dict[str, Any]]:
    rows = [report for batch in world.batches for report in batch.reports]
    return [row.fields for row in rows if row.fields["kind"] == "scan"]


def test_the_same_plan_gives_the_same_world_and_another_seed_another() -> None:
    one, again, other = simulate(plan()), simulate(plan()), simulate(plan(seed=6))
    assert truth_of(one) == truth_of(again)
    assert one.batches == again.batches
    assert truth_of(one) != truth_of(other)


@pytest.mark.parametrize(("people", "days"), [(60, 3), (240, 14), (1200, 21)])
def test_it_is_as_large_as_asked(people: int, days: int) -> None:
    world = simulate(plan(people=people, days=days))
    residents_and_staff = [person for person in world.people.persons if person.life != "guest"]
    assert len(residents_and_staff) == people
    assert len(world.people.households) == round(people / 3)
    assert {person.community for person in world.people.persons} == {FULL, SMALL}
    assert len(world.plan.dates) == days


def test_without_days_there_is_a_community_but_no_history() -> None:
    world = simulate(plan(days=0))
    assert world.people.households
    assert not world.batches
    assert not world.stories
    assert not world.hourly
    assert json.loads(json.dumps(truth_of(world)))["cases"] is None


def test_the_full_community_has_the_six_gates_that_are_told_of() -> None:
    found = [gate for (community, _), gate in gates().items() if community == FULL]
    assert Counter(gate.exits for gate in found) == {"scanned": 2, "counted": 2, "free": 2}


def test_names_and_addresses_are_those_of_a_chinese_neighbourhood() -> None:
    people = simulate(plan(people=1200, days=0)).people
    names = [person.name for person in people.persons]
    assert any("·" in name for name in names)
    assert any(name.startswith(("欧阳", "上官", "司马", "诸葛", "司徒", "尉迟", "皇甫", "慕容")) for name in names)
    assert all(re.fullmatch(r"[1-9]-[1-3]-\d{3,4}", household.unit) for household in people.households)
    units = [(household.community, household.unit) for household in people.households]
    assert len(set(units)) == len(units)


def test_every_report_is_one_that_the_wire_accepts(world: World) -> None:
    for batch in world.batches:
        assert len(batch.reports) <= wire.MAX_REPORTS
        for report in batch.reports:
            fields = dict(report.fields)
            if fields["kind"] == "scan" and "person" not in fields:
                fields["tag"] = "04A2B3C4"
            assert not wire.report_from(fields).unknown, fields


def test_a_number_names_one_report_and_some_reports_come_twice(world: World) -> None:
    seen: dict[tuple[str, int, int], list[Any]] = defaultdict(list)
    for batch in world.batches:
        for report in batch.reports:
            seen[batch.device, report.fields["boot"], report.fields["seq"]].append(report)
    assert all(len({str(each.fields) for each in rows}) == 1 for rows in seen.values())
    assert any(len(rows) > 1 for rows in seen.values())


def test_some_uploads_are_late_and_one_clock_is_fast(world: World) -> None:
    late = [batch for batch in world.batches if batch.sent_ms > batch.reports[-1].fields["at"] + 2 * HOUR_MS]
    skews = [report.fields["skew_ms"] for batch in world.batches for report in batch.reports]
    assert late
    assert max(skews) == 95_000


def test_event_times_lie_in_the_period(world: World) -> None:
    rows = [report.fields for batch in world.batches for report in batch.reports]
    times = [row["at"] - row["skew_ms"] for row in rows]
    assert world.plan.from_ms <= min(times)
    assert max(times) < UNTIL_MS


def test_nobody_is_in_two_places(world: World) -> None:
    """A body that goes in was outside before, and the other way round, at every gate's inner zone."""
    last: dict[tuple[int, str], str] = {}
    for crossing in world.crossings:
        zone = crossing.gate if crossing.gate in HALLS else "compound"
        for person in crossing.bodies:
            if person != NOBODY:
                assert last.get((person, zone)) != crossing.direction, (person, zone, crossing)
                last[person, zone] = crossing.direction


def test_visits_and_crossings_tell_the_same(world: World) -> None:
    entered = Counter(
        (person, crossing.t_ms)
        for crossing in world.crossings
        if crossing.direction == "in"
        for person in crossing.bodies
        if person != NOBODY
    )
    from_visits = Counter((visit.person, visit.entered_ms) for visit in world.visits if visit.entered_ms is not None)
    assert entered == from_visits
    assert all(
        visit.left_ms > visit.entered_ms for visit in world.visits if visit.left_ms and visit.entered_ms is not None
    )


def test_who_is_on_hold_stays_at_home_unless_a_story_says_otherwise(world: World) -> None:
    broken = {story.person for story in of_kind(world, "hold_broken")}
    assert broken
    for hold in world.holds:
        own = _during(world, hold.person, hold.from_ms, hold.until_ms)
        assert bool(own) == (hold.person in broken)
        assert all(crossing.reason == "hold" for crossing in own)


def _during(world: World, person: int, from_ms: int, to_ms: int) -> list[Crossing]:
    return [each for each in world.crossings if each.person == person and from_ms <= each.t_ms < to_ms]


def test_a_copied_card_is_shown_sooner_than_anybody_can_walk(world: World) -> None:
    assert of_kind(world, "impossible_travel")
    for story in of_kind(world, "impossible_travel"):
        copies = [each for each in world.crossings if each.story == story.id]
        assert copies
        for copy in copies:
            own = [each for each in world.crossings if each.person == story.person and each.t_ms <= copy.t_ms]
            assert copy.t_ms - own[-1].t_ms < walk_s(own[-1].gate, copy.gate) * 1000


def test_a_lent_card_enters_twice_minutes_apart(world: World) -> None:
    assert of_kind(world, "pass_shared")
    for story in of_kind(world, "pass_shared"):
        for copy in (each for each in world.crossings if each.story == story.id):
            own = [each for each in world.crossings if each.person == story.person and each.t_ms <= copy.t_ms][-1]
            assert own.direction == copy.direction == "in"
            assert 5 * MINUTE_MS <= copy.t_ms - own.t_ms <= 8 * MINUTE_MS


def test_a_surplus_is_bodies_without_passes(world: World) -> None:
    for story in of_kind(world, "ledger_surplus"):
        bodies = [each for each in world.crossings if each.story == story.id]
        assert len(bodies) >= 9
        assert all(each.credential == NOBODY and not each.seen for each in bodies)


def test_an_overstaying_guest_is_inside_long_after_the_pass_ended(world: World) -> None:
    assert of_kind(world, "visitor_overstay")
    for story in of_kind(world, "visitor_overstay"):
        until_ms = world.people.carried[story.person].until_ms
        visit = next(each for each in world.visits if each.person == story.person)
        assert until_ms is not None
        assert visit.left_ms is None or visit.left_ms >= until_ms + 5 * HOUR_MS


def test_a_silent_resident_was_seen_before_and_not_after(world: World) -> None:
    for story in world.stories:
        if story.kind == "silent_resident":
            times = [each.t_ms for each in world.crossings if each.person == story.person]
            assert times
            assert max(times) < story.from_ms + DAY_MS / 4


def test_true_contacts_are_those_of_a_slow_obvious_search(world: World) -> None:
    cases = truth_of(world)["cases"]
    visits = [visit for visit in world.visits if visit.zone in HALLS]
    found: Counter[str] = Counter()
    for one in visits:
        for other in visits:
            if world.people.persons[one.person].id == cases["index"] and other.person != one.person:
                start = max(one.entered_ms or 0, other.entered_ms or 0, cases["from_ms"])
                end = min(one.left_ms or cases["to_ms"], other.left_ms or cases["to_ms"], cases["to_ms"])
                if one.zone == other.zone and end - start >= MINUTE_MS:
                    found[world.people.persons[other.person].id] += end - start
    assert found
    assert {each["person"]: each["overlap_ms"] for each in cases["contacts"]} == dict(found)


def test_those_who_caught_it_at_lunch_are_true_contacts(world: World) -> None:
    cases = truth_of(world)["cases"]
    met = {each["person"]: each["overlap_ms"] for each in cases["contacts"]}
    caught = [case["person"] for case in cases["cases"] if case["source"] == cases["index"]]
    for person in caught:
        assert person in cases["household"] or met[person] >= 10 * MINUTE_MS


def test_lost_scans_are_few_and_known(world: World) -> None:
    rows = truth_of(world)["passages"]
    perimeter = [
        scanned
        for scanned, gate, person in zip(rows["scanned"], rows["gate"], rows["person"], strict=True)
        if gate in ("east", "west", "south") and person
    ]
    lost = perimeter.count(False) / len(perimeter)
    assert 0.005 < lost < 0.03


def test_hourly_counts_lie_in_the_four_weeks_before(world: World) -> None:
    hours = [row.from_ms for row in world.hourly]
    assert min(hours) >= world.plan.from_ms - 28 * DAY_MS
    assert max(hours) < world.plan.from_ms
    assert all(row.n > 0 and row.from_ms % HOUR_MS == 0 for row in world.hourly)


def test_shown_cards_that_were_revoked_let_nobody_in(world: World) -> None:
    revoked = [row for row in scans(world) if row["reason"] == "revoked"]
    assert all(row["decision"] == "stop" and not row["passed"] for row in revoked)
