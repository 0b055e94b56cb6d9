"""People on SQLite and on PostgreSQL: add, find, move, merge, split, hold, erase."""

from __future__ import annotations

from dataclasses import replace

import pytest

from community_flow.adapters.sql.queries_passes import SqlPasses
from community_flow.adapters.sql.queries_people import SqlPeople
from community_flow.domain.errors import Conflict, Forbidden, Invalid, NotFound
from community_flow.domain.places import Grid
from community_flow.domain.residents import Resident
from community_flow.domain.scope import Role, Scope
from community_flow.ports.people import Wanted
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.holds import Holds
from community_flow.services.passes import Passes
from community_flow.services.people import People
from community_flow.services.registry import Change
from community_flow.wiring.core import Core
from tests.factories import a_person, small_community

DAY_MS = 86_400_000
MANAGER = Scope("a_manager", Role.MANAGER, frozenset({"garden"}))
STRANGER = Scope("a_other", Role.MANAGER, frozenset({"elsewhere"}))
LIN = Resident(name="林晓梅", phone="13800138000", unit="1号楼1单元101")


@pytest.fixture
def people(core: Core) -> People:
    small_community(core)
    passes = Passes(core.db, core.registry, SqlPasses(), CommunityKeys(core.keys), core.audit, core.clock)
    return People(core.db, core.registry, SqlPeople(), passes, core.audit, core.clock)


def test_a_new_person_lives_in_a_household_of_the_building(people: People) -> None:
    page = people.look(MANAGER, people.add(MANAGER, "garden", LIN))
    assert page.found.row is not None
    assert (page.found.row.name, page.found.row.initials, page.found.row.phone) == ("林晓梅", "lxm", "13800138000")
    assert page.found.household is not None
    assert (page.found.household.unit, page.found.household.building) == ("1-1-101", "b1")


def test_two_people_of_a_unit_share_the_household_however_it_was_written(people: People) -> None:
    first = people.add(MANAGER, "garden", LIN)
    second = people.add(MANAGER, "garden", Resident(name="林海", unit="1-1-101"))
    homes = {people.look(MANAGER, person).found.state.household for person in (first, second)}
    assert len(homes) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("晓梅", True),  # part of the name
        ("lxm", True),  # initials
        ("LX", True),
        ("8000", True),  # the telephone's last four
        ("1-1-1", True),  # the beginning of a unit
        ("000", False),  # three digits would be half the community
        ("%", False),  # no wildcard
        ("海", False),
    ],
)
def test_search(people: People, text: str, found: bool) -> None:
    people.add(MANAGER, "garden", LIN)
    lines, count = people.search(MANAGER, Wanted(text=text))
    assert count == len(lines) == int(found)
    assert all(line.name == "林*梅" for line in lines)


def test_lists_are_in_the_order_of_units_and_foreign_people_are_not_in_them(people: People, core: Core) -> None:
    for unit in ("10-1-101", "2-1-101", "2-1-99"):
        people.add(MANAGER, "garden", Resident(name="王五", unit=unit))
    lines, count = people.search(MANAGER, Wanted(), limit=2)
    assert [line.found.unit for line in lines] == ["2-1-99", "2-1-101"]
    assert count == 3
    assert people.search(STRANGER, Wanted()) == ([], 0)


def test_a_steward_of_a_grid_sees_its_buildings_only(people: People, core: Core) -> None:
    inside = people.add(MANAGER, "garden", LIN)
    people.add(MANAGER, "garden", Resident(name="王五", unit="2-1-101"))
    with core.db.write() as tx:
        grid = Grid(names={"en": "One"}, zones=("b1",))
        core.registry.record(tx, [Change("garden", "grid", "one", 0, grid)], "test")
    steward = replace(MANAGER, role=Role.STEWARD, grids=frozenset({"one"}))
    assert [line.person for line in people.search(steward, Wanted())[0]] == [inside]


def test_a_look_is_in_the_log_of_the_person_and_a_search_is_not(people: People) -> None:
    person = people.add(MANAGER, "garden", LIN)
    people.search(MANAGER, Wanted(text="林"))
    people.look(MANAGER, person, "called back")
    rows = people.who_looked(MANAGER, person)
    assert [row.action for row in rows] == ["person.look", "person.add"]
    assert rows[0].purpose == "called back"


def test_a_correction_keeps_the_person(people: People) -> None:
    person = people.add(MANAGER, "garden", LIN)
    people.correct(MANAGER, person, Resident(name="林小梅", phone="", type="frequent"))
    page = people.look(MANAGER, person)
    assert page.found.row is not None
    assert (page.found.row.name, page.found.row.phone, page.found.state.type) == ("林小梅", None, "frequent")
    assert page.found.unit == "1-1-101"


def test_a_move_holds_from_its_date(people: People, core: Core) -> None:
    person = people.add(MANAGER, "garden", LIN)
    now_ms = core.clock.now_ms()
    people.move(MANAGER, person, "1-2-202", now_ms + DAY_MS)
    assert people.look(MANAGER, person).found.unit == "1-1-101"
    with core.db.read() as tx:
        journal = core.registry.journal(tx, "garden")
    later = journal.at("household", journal.at("person", person, now_ms + DAY_MS).household, now_ms + DAY_MS)
    assert later.unit == "1-2-202"


def test_moving_out_ends_every_pass_and_then_the_name_can_be_erased(people: People, core: Core) -> None:
    person = people.add(MANAGER, "garden", LIN)
    issued = people.passes.issue_card(MANAGER, person)
    with pytest.raises(Conflict, match="move-out first"):
        people.erase(MANAGER, person)
    people.move_out(MANAGER, person, core.clock.now_ms())
    with core.db.read() as tx:
        assert people.passes.held(tx, MANAGER, issued.pass_id).state.status == "revoked"
    people.erase(MANAGER, person)
    found = people.look(MANAGER, person).found
    assert found.row is not None
    assert (found.row.name, found.row.phone, found.row.note) == ("", None, None)
    assert people.search(MANAGER, Wanted(text="林")) == ([], 0)
    with pytest.raises(Conflict, match="moved out"):
        people.correct(MANAGER, person, LIN)


def test_a_merge_gives_the_passes_to_the_one_that_stays(people: People, core: Core) -> None:
    gone, kept = people.add(MANAGER, "garden", LIN), people.add(MANAGER, "garden", LIN)
    issued = people.passes.issue_card(MANAGER, gone)
    Holds(people).hold(MANAGER, gone, "isolation")
    people.merge(MANAGER, gone, kept, 0)
    with core.db.read() as tx:
        journal = core.registry.journal(tx, "garden")
        assert people.passes.held(tx, MANAGER, issued.pass_id).state.person == kept
    now_ms = core.clock.now_ms()
    assert journal.at("person", gone, now_ms).merged_into == kept
    # The hold must not be lost with the record that carried it.
    assert Holds(people).hold_reason(MANAGER, kept) is not None
    assert people.search(MANAGER, Wanted(text="林"))[1] == 1


def test_a_split_takes_some_passes_to_a_new_person_of_the_same_unit(people: People, core: Core) -> None:
    person = people.add(MANAGER, "garden", LIN)
    first, second = (people.passes.issue_card(MANAGER, person).pass_id for _ in range(2))
    made = people.split(MANAGER, person, [second], Resident(name="林海"), 0)
    with core.db.read() as tx:
        assert people.passes.held(tx, MANAGER, first).state.person == person
        assert people.passes.held(tx, MANAGER, second).state.person == made
    assert people.look(MANAGER, made).found.unit == "1-1-101"
    with pytest.raises(Invalid, match="at least one pass"):
        people.split(MANAGER, person, [second], Resident(name="林海"), 0)


def test_a_hold_ends_by_itself_by_hand_and_its_reason_is_for_the_office(people: People, core: Core) -> None:
    holds, person = Holds(people), people.add(MANAGER, "garden", LIN)
    holds.hold(MANAGER, person, "health", core.clock.now_ms() + DAY_MS)
    found = holds.hold_reason(MANAGER, person)
    assert found is not None
    assert found.kind == "health"
    with pytest.raises(Forbidden, match="desk"):
        holds.hold_reason(replace(MANAGER, role=Role.GUARD), person)
    holds.release(MANAGER, person)
    assert holds.hold_reason(MANAGER, person) is None
    with pytest.raises(Conflict):
        holds.release(MANAGER, person)
    with pytest.raises(Invalid, match="later day"):
        holds.hold(MANAGER, person, "office", core.clock.now_ms() - 1)


def test_foreign_people_are_not_found(people: People) -> None:
    person = people.add(MANAGER, "garden", LIN)
    for act in (
        lambda: people.look(STRANGER, person),
        lambda: people.correct(STRANGER, person, LIN),
        lambda: people.move(STRANGER, person, "1-1-102", 0),
        lambda: people.move_out(STRANGER, person, 0),
        lambda: people.merge(STRANGER, person, person, 0),
        lambda: people.erase(STRANGER, person),
        lambda: people.add(STRANGER, "garden", LIN),
        lambda: Holds(people).hold(STRANGER, person, "office"),
    ):
        with pytest.raises(NotFound):
            act()


def test_a_person_without_a_name_is_listed_all_the_same(people: People, core: Core) -> None:
    person = a_person(core, unit="1-1-103")
    assert [(line.person, line.name) for line in people.search(MANAGER, Wanted())[0]] == [(person, "")]
