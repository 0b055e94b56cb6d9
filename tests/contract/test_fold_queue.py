"""What waits for the fold is found as quickly in a flood as on a quiet day."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from community_flow.adapters.sql.driver import Driver
from community_flow.adapters.sql.mark_packs import PACK_COLUMNS, packs
from community_flow.adapters.sql.queries_fold_queue import SqlFoldQueue
from community_flow.adapters.sql.tables_flow import dirty
from community_flow.domain.marks import Mark, count_subject, journal_subject
from community_flow.domain.passages import key_at
from community_flow.settings import Settings
from community_flow.wiring.core import Core
from tests.conftest import prepared
from tests.fakes_flow import MORNING_MS, FlowKit

QUEUE = SqlFoldQueue()
SUBJECTS = 8


def mark(subject: str, at_ms: int = MORNING_MS) -> Mark:
    return Mark(subject, key_at(at_ms), key_at(at_ms), "test")


def person(number: int) -> str:
    return f"p_{number:05d}"


def put(core: Core, community: str, *marks: Mark) -> None:
    with core.db.write() as tx:
        QUEUE.put(tx, community, marks)


def take(tx: Connection, community: str = "garden", subjects: int = SUBJECTS) -> list[Mark]:
    QUEUE.unpack(tx, community)
    return QUEUE.take(tx, community, subjects, lambda subject: frozenset({subject}))


def taken(core: Core, community: str = "garden", subjects: int = SUBJECTS) -> list[str]:
    with core.db.write() as tx:
        return [each.subject for each in take(tx, community, subjects)]


def test_each_community_with_something_waiting_is_named_once(core: Core) -> None:
    with core.db.read() as tx:
        assert QUEUE.waiting(tx) == []
    for community in ("plaza", "garden", "harbour"):
        put(core, community, *map(mark, map(person, range(50))))
    with core.db.read() as tx:
        assert QUEUE.waiting(tx) == ["garden", "harbour", "plaza"]


def test_whether_more_wait_than_a_number_is_known_of_one_community(core: Core) -> None:
    put(core, "garden", *map(mark, map(person, range(3))))
    put(core, "plaza", *map(mark, map(person, range(30))))
    with core.db.read() as tx:
        assert [QUEUE.exceeds(tx, "garden", count) for count in (0, 2, 3, 20)] == [True, True, False, False]
        assert not QUEUE.exceeds(tx, "harbour", 0)


def test_the_oldest_marks_of_the_community_are_taken_and_all_of_their_subjects(core: Core) -> None:
    put(core, "plaza", *map(mark, map(person, range(100, 200))))
    put(core, "garden", *map(mark, map(person, range(20))), mark(person(0), MORNING_MS + 1))
    assert sorted(taken(core)) == [person(each) for each in range(SUBJECTS)]
    assert sorted(taken(core, subjects=100)) == [person(each) for each in range(SUBJECTS, 20)]
    assert len(taken(core, "plaza", 100)) == 100


def test_what_the_journal_says_goes_before_a_flood(core: Core) -> None:
    change = journal_subject("gate", "east")
    put(core, "garden", *map(mark, map(person, range(500))), mark(change))
    assert taken(core) == [change]
    assert change not in taken(core)


def test_of_a_crowded_gate_the_earliest_marks_are_taken(core: Core) -> None:
    side = count_subject("east", "in")
    put(core, "garden", *(mark(side, MORNING_MS + each) for each in reversed(range(300))))
    with core.db.write() as tx:
        first, second, third = (take(tx, subjects=each) for each in (1, 10, 100))
    assert [len(first), len(second), len(third)] == [24, 30, 200], "a small slice is to be a small one"
    assert sorted(each.lo for each in (*first, *second, *third)) == [key_at(MORNING_MS + each) for each in range(254)]
    assert len(taken(core, subjects=100)) == 46
    assert taken(core) == []


def packed(core: Core, community: str, *marks: Mark) -> None:
    """As ingest writes the marks of one commit."""
    with core.db.write() as tx:
        Driver.of(tx).bulk("dirty", PACK_COLUMNS, packs((community, each) for each in marks))


def test_marks_of_many_commits_are_taken_as_few(core: Core) -> None:
    sides = [count_subject(gate, way) for gate in ("east", "west") for way in ("in", "out")]
    for commit in range(50):
        packed(core, "garden", *(mark(side, MORNING_MS + 100 * commit) for side in sides))
    packed(core, "plaza", mark(person(1)))
    with core.db.write() as tx:
        found = take(tx)
    whole = [Mark(side, key_at(MORNING_MS), key_at(MORNING_MS + 4_900), "test") for side in sides]
    assert sorted(found, key=str) == sorted(whole, key=str)
    assert taken(core) == []
    assert taken(core, "plaza") == [person(1)]


def test_all_marks_of_a_subject_are_taken_together_in_a_flood(core: Core) -> None:
    """Or each would be folded once for every commit that named it."""
    for commit in range(40):
        at_ms = MORNING_MS + commit * 1_000_000
        packed(core, "garden", *(mark(person(each), at_ms) for each in range(100)))
    found: list[str] = []
    while more := taken(core):
        found += more
    assert sorted(found) == [person(each) for each in range(100)]


def test_what_is_put_last_comes_after_what_is_packed(core: Core) -> None:
    """Or a flood would settle the gates' hours again and again."""
    side = count_subject("east", "in")
    for commit in range(20):
        packed(core, "garden", *map(mark, map(person, range(30 * commit, 30 * commit + 30))))
    with core.db.write() as tx:
        QUEUE.put_last(tx, "garden", [mark(side)])
    found: list[str] = []
    while more := taken(core, subjects=10):
        found += more
    assert side in found[600 - 10 :]  # in any order within a slice
    assert len(found) == 601


def test_one_fold_takes_all_that_was_marked_before(core: Core) -> None:
    for _ in range(1_100):
        packed(core, "garden", mark(count_subject("east", "in")))
    FlowKit(core).flow.fold("garden")
    assert rows(core) == 0


def rows(core: Core) -> int:
    with core.db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(dirty)).scalar_one())


def test_marks_that_were_not_folded_after_all_are_taken_again(core: Core) -> None:
    packed(core, "garden", *map(mark, map(person, range(3))))
    with suppress(ZeroDivisionError), core.db.write() as tx:
        assert len(take(tx)) == 3
        raise ZeroDivisionError
    assert sorted(taken(core)) == [person(each) for each in range(3)]


def test_marks_in_packs_count_as_waiting(core: Core) -> None:
    packed(core, "garden", *map(mark, map(person, range(3))))
    with core.db.read() as tx:
        assert QUEUE.waiting(tx) == ["garden"]
        assert QUEUE.exceeds(tx, "garden", 0)
    taken(core)
    with core.db.read() as tx:
        assert QUEUE.waiting(tx) == []


def steps(core: Core, community: str) -> int:
    """What SQLite's machine does for one look into the queue, in hundreds of its steps; nothing is taken."""
    found = 0

    def step() -> None:
        nonlocal found
        found += 1

    with core.db.write() as tx:
        connection = tx.connection.driver_connection
        assert connection is not None
        connection.set_progress_handler(step, 100)
        try:
            QUEUE.waiting(tx)
            QUEUE.exceeds(tx, community, 300)
            take(tx, community)
        finally:
            connection.set_progress_handler(None, 0)
    return found


def test_a_look_costs_the_same_however_much_waits(tmp_path: Path) -> None:
    core = prepared(Settings(data_dir=tmp_path))  # only SQLite counts its steps
    put(core, "garden", *map(mark, map(person, range(1_000))))
    few = steps(core, "garden")
    put(core, "garden", *map(mark, map(person, range(1_000, 30_000))))
    assert steps(core, "garden") < 2 * few
    put(core, "plaza", mark(person(0)))
    assert steps(core, "plaza") < 2 * few
    for _ in range(5_000):
        packed(core, "harbour", mark(person(0)))
    assert steps(core, "plaza") < 2 * few
    core.db.close()


@pytest.mark.parametrize("settings", ["postgresql"], indirect=True)
def test_postgresql_compiles_no_query_however_dear_it_takes_it_to_be(core: Core) -> None:
    """Compiled, a query over a list of rows took 20 ms instead of two, each time, once a store had grown."""
    with core.db.read() as tx:
        tx.exec_driver_sql("SET LOCAL jit_above_cost = 0")
        plan = tx.exec_driver_sql("EXPLAIN (ANALYZE) SELECT count(*) FROM dirty").scalars().all()
    assert not [line for line in plan if "JIT" in line]
