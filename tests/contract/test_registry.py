"""The registry on both stores."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import event, select

from community_flow.adapters.sql.tables_flow import dirty
from community_flow.domain.errors import Conflict, Invalid, NotFound
from community_flow.domain.places import Area, Community, Household, Zone
from community_flow.domain.scope import Scope
from community_flow.services.registry import Change, communities_of_areas
from community_flow.wiring.core import Core
from tests.factories import small_community

EVERYTHING = Scope.system({"garden"})


def household(unit: str, entity: str = "h_1", valid_from_ms: int = 0) -> Change:
    return Change("garden", "household", entity, valid_from_ms, Household(unit=unit))


def test_a_change_is_read_back_as_it_was_written(core: Core) -> None:
    small_community(core)
    with core.db.write() as tx:
        core.registry.record(tx, [household("7-3-1102")], "test")
    with core.db.read() as tx:
        assert core.registry.one(tx, EVERYTHING, "household", "h_1")[1] == Household(unit="7-3-1102")


def test_numbers_follow_the_order_of_writing(core: Core) -> None:
    small_community(core)
    with core.db.write() as tx:
        entries = core.registry.record(tx, [household("1"), household("2"), household("3")], "test")
    numbers = [each.number for each in entries]
    assert numbers == sorted(set(numbers))
    with core.db.read() as tx:
        assert core.registry.journal(tx, "garden").at("household", "h_1", 0).unit == "3"


def test_numbers_are_unique_among_writers_at_once(core: Core) -> None:
    small_community(core)

    def write(name: str) -> None:
        for _ in range(10):
            with core.db.write() as tx:
                core.registry.record(tx, [household("1", f"h_{name}")], "test")

    threads = [threading.Thread(target=write, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with core.db.read() as tx:
        journal = core.registry.journal(tx, "garden")
        assert [len(journal.timeline("household", f"h_{n}").states) for n in range(4)] == [10] * 4


def test_a_change_dated_ahead_takes_effect_when_it_is_due(core: Core) -> None:
    small_community(core)
    ahead_ms = core.clock.now_ms() + 60_000
    with core.db.write() as tx:
        core.registry.record(tx, [household("now"), household("later", valid_from_ms=ahead_ms)], "test")
    with core.db.write() as tx:
        assert core.registry.one(tx, EVERYTHING, "household", "h_1")[1].unit == "now"
        core.registry.store.project(tx, core.registry.store.due(tx, ahead_ms), ahead_ms)
        assert core.registry.one(tx, EVERYTHING, "household", "h_1")[1].unit == "later"


def test_something_that_begins_later_is_not_here_yet(core: Core) -> None:
    small_community(core)
    with core.db.write() as tx:
        core.registry.record(tx, [household("later", valid_from_ms=core.clock.now_ms() + 60_000)], "test")
    with core.db.read() as tx, pytest.raises(NotFound):
        core.registry.one(tx, EVERYTHING, "household", "h_1")


def test_an_end_takes_it_off_the_list(core: Core) -> None:
    small_community(core)
    with core.db.write() as tx:
        core.registry.record(tx, [household("1")], "test")
        core.registry.record(tx, [Change("garden", "household", "h_1", 1, None)], "test")
    with core.db.read() as tx, pytest.raises(NotFound):
        core.registry.one(tx, EVERYTHING, "household", "h_1")


def test_a_foreign_community_looks_like_none(core: Core) -> None:
    small_community(core)
    with core.db.read() as tx, pytest.raises(NotFound):
        core.registry.one(tx, Scope.system({"elsewhere"}), "zone", "clinic")


def test_every_change_that_the_fold_reads_is_marked(core: Core) -> None:
    small_community(core)
    with core.db.write() as tx:
        tx.execute(dirty.delete())
        core.registry.record(tx, [household("1", valid_from_ms=5), household("2", valid_from_ms=9)], "test")
    with core.db.read() as tx:
        rows = tx.execute(select(dirty.c.subject, dirty.c.lo, dirty.c.hi).order_by(dirty.c.id)).all()
    assert [row.subject for row in rows] == ["journal:household:h_1"] * 2
    assert rows[0].hi == rows[1].lo, "the first row's span ends where the second begins"


def test_a_rolled_back_change_leaves_nothing(core: Core) -> None:
    small_community(core)

    def interrupted() -> None:
        with core.db.write() as tx:
            core.registry.record(tx, [household("1")], "test")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        interrupted()
    with core.db.read() as tx:
        assert not core.registry.journal(tx, "garden").entities("household")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        # an id that is not a slug
        (Change("garden", "zone", "East Gate", 0, Zone(names={"en": "x"}, kind="room")), "id"),
        # the zone that exists by itself
        (Change("garden", "zone", "outside", 0, Zone(names={"en": "x"}, kind="room")), "id"),
        # a number of a resident's identity card has no place here
        (Change("garden", "person", "p_1", 0, {"household": None, "id_card": "1"}), "id_card"),
        # a capacity of nobody
        (Change("garden", "zone", "x", 0, Zone(names={"en": "x"}, kind="room", capacity=0)), "capacity"),
        # a closing time as people say it
        (Change("garden", "zone", "x", 0, Zone(names={"en": "x"}, kind="room", closes_at="10 pm")), "closes_at"),
        # a kind nobody knows
        (Change("garden", "zone", "x", 0, {"names": {}, "kind": "castle"}), None),
    ],
)
def test_what_cannot_be_used_is_refused(core: Core, change: Change, field: str | None) -> None:
    small_community(core)
    with pytest.raises(Invalid) as refused, core.db.write() as tx:
        core.registry.record(tx, [change], "test")
    if field:
        assert refused.value.field == field or field in str(refused.value)


def test_a_community_id_is_given_once(core: Core) -> None:
    small_community(core)
    with pytest.raises(Conflict), core.db.write() as tx:
        core.registry.add_community(tx, "garden", Community(names={"en": "x"}, area="district"), "test")


def test_areas_nest() -> None:
    areas = {
        "city": Area(names={}),
        "district": Area(names={}, parent="city"),
        "street": Area(names={}, parent="district"),
    }
    communities = {"garden": Community(names={}, area="street"), "far": Community(names={}, area="other")}
    assert communities_of_areas(areas, communities, ["city"]) == {"garden"}


def test_a_journal_of_a_rolled_back_transaction_is_not_remembered(core: Core) -> None:
    """Its numbers are given again: what was read inside must not be served as what was written later."""
    small_community(core)

    def interrupted() -> None:
        with core.db.write() as tx:
            core.registry.record(tx, [household("never")], "test")
            assert core.registry.journal(tx, "garden").at("household", "h_1", 0).unit == "never"
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        interrupted()
    with core.db.write() as tx:
        core.registry.record(tx, [household("kept", "h_2")], "test")
    with core.db.read() as tx:
        journal = core.registry.journal(tx, "garden")
    assert journal.entities("household") == ["h_2"]


def test_refreshing_costs_nothing_while_nothing_is_due(core: Core) -> None:
    small_community(core)
    assert core.registry.refresh() == 0


def test_a_journal_is_read_without_a_second_connection(core: Core) -> None:
    """A hundred devices ask at once after a change: when all hold a connection, nobody gets another."""
    small_community(core)
    with core.db.read() as tx:
        taken: list[object] = []
        event.listen(core.db.engine, "checkout", lambda *found: taken.append(found))
        core.registry.journal(tx, "garden")
    assert not taken


def test_a_transaction_sees_its_own_changes_and_nobody_else_does_until_they_are_kept(core: Core) -> None:
    small_community(core)

    def change_and_fail() -> None:
        with core.db.write() as tx:
            core.registry.record(tx, [household("1")], "test")
            assert core.registry.journal(tx, "garden").at("household", "h_1", 0).unit == "1"
            raise LookupError

    with pytest.raises(LookupError):
        change_and_fail()
    with core.db.write() as tx:
        core.registry.record(tx, [household("2", "h_2")], "test")
    with core.db.read() as tx:
        assert core.registry.journal(tx, "garden").at("household", "h_2", 0).unit == "2"
        assert not list(core.registry.journal(tx, "garden").timeline("household", "h_1").states)
