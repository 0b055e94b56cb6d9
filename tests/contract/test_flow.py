"""The fold over a real store: marks, slices, corrections, journal rows dated in the past, ledger, occupancy."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, text

from community_flow.adapters.sql.tables_flow import flow_hours, visits, voids
from community_flow.domain.marks import Mark
from community_flow.domain.passages import GREATEST_KEY, LEAST_KEY
from community_flow.domain.places import Device, Gate, Household, Pass, Person, Zone
from community_flow.ports.flow import Changed
from community_flow.services.flow import FoldError, FoldWorker
from community_flow.services.fold_aside import AGAIN_S, Aside
from community_flow.services.registry import Change
from community_flow.wiring.core import Core
from tests.factories import small_community
from tests.fakes_flow import CAMERA, DAY_MS, MORNING_MS, FlowKit, correction, count, identity, report, scan
from tests.services import wait_until

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LIN = "p_" + "l" * 12
WANG = "p_" + "w" * 12
CARD = "ps_" + "01" * 16
T = MORNING_MS


@pytest.fixture
def kit(core: Core) -> FlowKit:
    small_community(core)
    kit = FlowKit(core)
    kit.register(
        Change("garden", "person", LIN, 0, Person()),
        Change("garden", "person", WANG, 0, Person()),
        Change("garden", "pass", CARD, 0, Pass(person=LIN)),
        Change("garden", "device", CAMERA, 0, Device(names={"en": "West camera"}, gate="west", kind="camera")),
    )
    kit.flow.drain()
    return kit


def spans(kit: FlowKit) -> list[tuple[str, int, int | None, int | None]]:
    """(zone, entered, left, latest exit), minutes after T."""

    def minutes(ms: int | None) -> int | None:
        return None if ms is None else (ms - T) // MINUTE_MS

    return [
        (row.zone, (row.entered_ms - T) // MINUTE_MS, minutes(row.left_ms), minutes(row.left_latest_ms))
        for row in kit.listed("visits")
    ]


def test_a_scan_in_and_a_scan_out_are_a_visit(kit: FlowKit) -> None:
    kit.fold(scan(T, CARD), scan(T + 30 * MINUTE_MS, CARD, direction="out"))
    assert spans(kit) == [("compound", 0, 30, 30)]
    assert [row.person for row in kit.listed("passages")] == [LIN, LIN]


def test_the_same_report_again_changes_nothing(kit: FlowKit) -> None:
    first = scan(T, CARD)
    kit.fold(first)
    before = kit.fingerprint()
    kit.fold(first, first)
    assert kit.fingerprint() == before


def test_a_late_exit_ends_the_visit_it_belongs_to_and_only_that(kit: FlowKit) -> None:
    kit.fold(scan(T, CARD), scan(T + 60 * MINUTE_MS, CARD), scan(T + 90 * MINUTE_MS, CARD, direction="out"))
    # West is not watched, so entering again only says that Lin left in between.
    assert spans(kit) == [("compound", 0, None, 60), ("compound", 60, 90, 90)]
    kit.fold(scan(T + 20 * MINUTE_MS, CARD, direction="out"))
    assert spans(kit) == [("compound", 0, 20, 20), ("compound", 60, 90, 90)]


def test_a_correction_takes_a_passage_back_whenever_it_comes(kit: FlowKit) -> None:
    entry, wrong = scan(T, CARD), scan(T + 5 * MINUTE_MS, CARD, direction="out")
    kit.fold(correction(wrong), entry)
    kit.fold(wrong)
    assert spans(kit) == [("compound", 0, None, None)]
    kit.fold(correction(entry))
    assert kit.listed("passages") == []
    assert kit.listed("visits") == []


def test_a_correction_of_a_correction_and_of_another_device_change_nothing(kit: FlowKit) -> None:
    entry = scan(T, CARD)
    taken_back = correction(entry)
    foreign = report(
        "correction", T, device="d_bbbbbbbbbbbb", body={"of": {"boot": entry["boot"], "seq": entry["seq"]}}
    )
    kit.fold(entry, foreign)
    assert len(kit.listed("passages")) == 1
    kit.fold(taken_back, correction(taken_back))
    assert kit.listed("passages") == []


def test_an_attempt_is_listed_and_nobody_is_inside(kit: FlowKit) -> None:
    kit.fold(scan(T, CARD, passed=False, decision="check", reason="hold"))
    assert [row.reason for row in kit.listed("attempts")] == ["hold"]
    assert kit.listed("visits") == []


def test_a_pass_handed_over_in_the_past_moves_what_was_done_with_it_since(kit: FlowKit) -> None:
    kit.fold(scan(T, CARD), scan(T + HOUR_MS, CARD, direction="out"), scan(T + DAY_MS, CARD))
    kit.register(Change("garden", "pass", CARD, T + HOUR_MS // 2, Pass(person=WANG)))
    kit.flow.drain()
    assert [row.person for row in kit.listed("passages")] == [LIN, WANG, WANG]
    assert [(row.person, row.left_ms) for row in kit.listed("visits")] == [(LIN, None), (WANG, None)]
    assert kit.flow.check("garden") == []


def test_merged_records_are_one_person_from_the_moment_of_the_merge(kit: FlowKit) -> None:
    kit.fold(scan(T, WANG), scan(T + HOUR_MS, CARD, direction="out"))
    assert len(kit.listed("visits", person=WANG)) == 1
    kit.register(Change("garden", "person", WANG, 0, Person(status="merged", merged_into=LIN)))
    kit.flow.drain()
    assert [(row.person, row.left_ms) for row in kit.listed("visits")] == [(LIN, T + HOUR_MS)]


def test_a_pass_that_nobody_holds_makes_visits_without_a_name_until_somebody_does(kit: FlowKit) -> None:
    stray = "ps_" + "02" * 16
    kit.fold(scan(T, stray))
    assert [(row.subject, row.person) for row in kit.listed("visits")] == [(stray, None)]
    kit.register(Change("garden", "pass", stray, 0, Pass(person=WANG)))
    kit.flow.drain()
    assert [(row.subject, row.person) for row in kit.listed("visits")] == [(WANG, WANG)]


def test_a_gate_changed_in_the_past_is_read_as_of_event_time(kit: FlowKit) -> None:
    kit.fold(scan(T, CARD), scan(T + 40_000, CARD))
    assert len(kit.listed("passages")) == 2
    kit.register(
        Change("garden", "gate", "east", T - 1, Gate(names={"en": "East"}, inner="compound", dedup_window_s=60))
    )
    kit.flow.drain()
    assert [len(row.evidence) for row in kit.listed("passages")] == [2]


def test_a_door_opened_twice_names_the_passage_that_opened_the_visit(kit: FlowKit) -> None:
    first = scan(T, CARD, "clinic-door")
    again = scan(T + 10 * MINUTE_MS, CARD, "clinic-door")
    kit.fold(first, again)
    found = [row for row in kit.listed("conflicts") if row.kind == "passback"]
    assert [":".join(map(str, triple)) for triple in found[0].evidence] == sorted([identity(first), identity(again)])
    kit.fold(scan(T + 5 * MINUTE_MS, CARD, "clinic-door", "out"))
    assert [row.kind for row in kit.listed("conflicts")] == []


def test_two_gates_sooner_than_one_can_walk(kit: FlowKit) -> None:
    kit.fold(scan(T, CARD), scan(T + 239_000, CARD, "west", "out"))
    assert [row.kind for row in kit.listed("conflicts")] == ["impossible_travel"]
    assert kit.listed("conflicts")[0].detail["took_ms"] == 239_000


def test_one_code_at_two_gates_was_relayed_even_when_one_was_turned_away(kit: FlowKit) -> None:
    token_s = (T - 1_767_225_600_000) // 1000
    shown = scan(T, CARD, token_s=token_s, method="rotating")
    kit.fold(shown, scan(T + 8000, CARD, "west", token_s=token_s, passed=False, reason="replayed_code"))
    assert [row.kind for row in kit.listed("conflicts")] == ["relayed_code"]
    kit.fold(correction(shown))
    assert kit.listed("conflicts") == []


def test_a_household_over_its_quota_is_one_card_per_day(kit: FlowKit) -> None:
    kit.register(
        Change("garden", "household", "h_1", 0, Household(unit="1-1", quota_per_day=1)),
        Change("garden", "person", LIN, 0, Person(household="h_1")),
        Change("garden", "person", WANG, 0, Person(household="h_1")),
    )
    second = scan(T + 10 * MINUTE_MS, WANG, direction="out")
    kit.fold(scan(T, CARD, direction="out"), second, scan(T + DAY_MS, CARD, direction="out"))
    found = [row for row in kit.listed("conflicts") if row.kind == "quota"]
    assert [(row.subject, row.detail["outings"], len(row.evidence)) for row in found] == [("quota:h_1", 2, 2)]
    kit.fold(correction(second))
    assert [row for row in kit.listed("conflicts") if row.kind == "quota"] == []


def test_the_community_limits_households_that_have_no_number_of_their_own(kit: FlowKit) -> None:
    kit.register(
        Change("garden", "household", "h_1", 0, Household(unit="1-1")),
        Change("garden", "household", "h_2", 0, Household(unit="1-2", quota_per_day=9)),
        Change("garden", "person", LIN, 0, Person(household="h_1")),
        Change("garden", "person", WANG, 0, Person(household="h_2")),
    )
    kit.fold(*(scan(T + n * 10 * MINUTE_MS, card, direction="out") for n in (0, 1) for card in (CARD, WANG)))
    assert [row for row in kit.listed("conflicts") if row.kind == "quota"] == []
    with kit.core.db.write() as tx:
        kit.core.registry.amend(tx, "garden", "community", "garden", T, allowing(1), "test")
    kit.flow.drain()
    found = [row for row in kit.listed("conflicts") if row.kind == "quota"]
    assert [(row.subject, row.detail["quota"]) for row in found] == [("quota:h_1", 1)]
    assert kit.flow.check("garden") == []
    with kit.core.db.write() as tx:
        kit.core.registry.amend(tx, "garden", "community", "garden", T, allowing(None), "test")
    kit.flow.drain()
    assert [row for row in kit.listed("conflicts") if row.kind == "quota"] == []


def allowing(quota: int | None) -> Callable[[Any], Any]:
    return lambda community: msgspec.structs.replace(community, quota_per_day=quota)


def test_bodies_beyond_passages_are_a_surplus_and_passages_beyond_bodies_were_turned_back(kit: FlowKit) -> None:
    kit.fold(count(T, 2), scan(T + 4000, CARD, "west"), scan(T + HOUR_MS, WANG, "west"))
    assert kit.ledger() == [("surplus", T, 1), ("turned_back", T + HOUR_MS, 1)]
    kit.fold(scan(T - 3000, WANG, "west"))
    assert kit.ledger() == [("turned_back", T + HOUR_MS, 1)]


def test_an_aggregate_stands_for_the_counts_it_replaces(kit: FlowKit) -> None:
    singles = [count(T + each * MINUTE_MS, seq=100 + each) for each in range(5)]
    kit.fold(*singles, scan(T + 2 * MINUTE_MS, CARD, "west"))
    assert sum(n for kind, _, n in kit.ledger() if kind == "surplus") == 4
    total = count(T + 5 * MINUTE_MS, 7, from_ms=T, seq=200, body={"replaces": {"boot": 1, "from": 100, "to": 104}})
    kit.fold(total)
    assert kit.ledger() == [("surplus", T + 5 * MINUTE_MS, 6)]
    kit.fold(correction(total))
    assert sum(n for kind, _, n in kit.ledger() if kind == "surplus") == 4
    assert kit.flow.check("garden") == []


def test_counts_of_another_device_than_the_gates_own_are_left_out(kit: FlowKit) -> None:
    kit.fold(count(T, 5, device="d_dddddddddddd"))
    assert kit.ledger() == []


def test_a_report_held_back_takes_no_part(kit: FlowKit) -> None:
    kit.fold(scan(T, CARD, held=True))
    assert kit.listed("passages") == []


def test_a_rebuild_gives_the_same_tables(kit: FlowKit) -> None:
    kit.register(Change("garden", "zone", "clinic", 0, Zone(names={"en": "Clinic"}, kind="room", closes_at="18:00")))
    kit.fold(
        scan(T, CARD), scan(T + 1000, ""), count(T), report("census", T, n=3, body={"zone": "compound"}),
        scan(T + HOUR_MS, CARD, "clinic-door"), scan(T + DAY_MS, CARD, "clinic-door", "out"),
        report("visitor", T + 5000, gate="east", direction="in", passed=True, party=2, body={"class": "delivery"}),
    )  # fmt: skip
    before = kit.fingerprint()
    with kit.core.db.write() as tx:
        kit.flow.rebuild(tx, "garden")
    assert kit.fingerprint() == before
    assert kit.flow.check("garden") == []
    assert {name: rows for name, (rows, _) in before.items()}["passages"] == 5


def test_every_fold_tells_the_pages_and_the_hooks_what_changed(kit: FlowKit) -> None:
    seen = []
    kit.flow.after_fold.append(lambda tx, changed: seen.append(changed))
    version = kit.signals.version("garden")
    kit.fold(scan(T, CARD))
    assert kit.signals.version("garden") != version
    assert [row.id for changed in seen for row in changed.added.visits] == [row.id for row in kit.listed("visits")]
    kit.flow.drain()
    assert len(seen) == 1


def test_a_fold_that_fails_leaves_its_marks_and_nothing_else(kit: FlowKit) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("hook")

    kit.flow.after_fold.append(fail)
    kit.keep([scan(T, CARD)])
    with pytest.raises(FoldError) as failed:
        kit.flow.drain()
    assert failed.value.subjects == {CARD}
    assert str(failed.value.__cause__) == "hook"
    assert kit.listed("passages") == []
    kit.flow.after_fold.clear()
    kit.flow.drain()
    assert len(kit.listed("passages")) == 1


def test_one_subject_that_cannot_be_folded_holds_nobody_else_up(kit: FlowKit) -> None:
    broken, now_s = [True], [0.0]

    def fail(_: object, changed: Changed) -> None:
        if broken and any(row.person == LIN for row in changed.added.passages):
            raise RuntimeError("an error of ours")

    kit.flow.after_fold.append(fail)
    worker = FoldWorker(kit.flow, kit.signals, pause_s=0.05)
    worker.aside = Aside(lambda: now_s[0])
    kit.keep([scan(T, CARD), scan(T, WANG, "west"), count(T)])
    worker.start()
    wait_until(lambda: len(kit.listed("passages")) == 1, "the other's passage")
    kit.keep([scan(T + HOUR_MS, CARD, direction="out"), scan(T + HOUR_MS, WANG, "west", direction="out")])
    wait_until(lambda: len(kit.listed("passages")) == 2, "the other's next passage")
    assert {row.person for row in kit.listed("passages")} == {WANG}
    broken.clear()
    now_s[0] += AGAIN_S + 1
    wait_until(lambda: len(kit.listed("passages")) == 4, "what could not be folded before")
    worker.stop()
    assert kit.flow.check("garden") == []


@pytest.mark.parametrize("seed", range(12))
def test_changes_of_one_gate_that_reach_each_other_are_settled_alike(kit: FlowKit, seed: int) -> None:
    """Where counts and passages follow each other closely, one more moves the pairs of minutes: past the next change of
    the same slice, which lies too far away to be joined with it."""
    rng = random.Random(seed)
    busy = [
        row
        for at_ms in range(T, T + 8 * MINUTE_MS, 4_000)
        for row in (count(at_ms + rng.randrange(500)), scan(at_ms + 2_000 + rng.randrange(500), "", "west"))
    ]
    late = [busy.pop(place) for place in range(len(busy) - 1, 0, -rng.randrange(32, 41))]
    kit.fold(*busy)
    kit.fold(*late)
    assert kit.flow.check("garden") == []
    kit.fold(*map(correction, busy[:: rng.randrange(32, 41)]), *map(correction, late[::2]))
    assert kit.flow.check("garden") == []


def test_what_a_hook_writes_is_written_once_whatever_happens(kit: FlowKit) -> None:
    """A notification, say: not again for a re-fold, a repeated report, a rebuild, a check, or after a crash."""
    with kit.core.db.write() as tx:
        tx.exec_driver_sql("CREATE TABLE told (id text)")
    crash = [True]

    def tell(tx: Connection, changed: Changed) -> None:
        for row in changed.added.passages:
            tx.execute(text("INSERT INTO told VALUES (:id)"), {"id": row.id})

    def fail_once(*_: object) -> None:
        if crash:
            crash.clear()
            raise RuntimeError("killed")

    kit.flow.after_fold += [tell, fail_once]
    first, second = scan(T, CARD), scan(T + HOUR_MS, CARD, direction="out")
    kit.keep([first])
    with pytest.raises(FoldError):
        kit.flow.drain()
    kit.fold(second, first)
    kit.fold(first, second)
    with kit.core.db.write() as tx:
        kit.flow.queue.put(tx, "garden", [Mark(CARD, LEAST_KEY, GREATEST_KEY, "test")])
    kit.flow.drain()
    with kit.core.db.write() as tx:
        kit.flow.rebuild(tx, "garden")
    assert kit.flow.check("garden") == []
    with kit.core.db.read() as tx:
        told = list(tx.execute(text("SELECT id FROM told ORDER BY id")).scalars())
    assert told == sorted([identity(first), identity(second)])


def test_a_check_names_the_tables_that_differ_and_a_rebuild_mends_them(kit: FlowKit) -> None:
    kit.fold(scan(T, CARD), scan(T + HOUR_MS, CARD, direction="out"), count(T), scan(T + HOUR_MS, WANG, "west"))
    before = kit.fingerprint()
    with kit.core.db.write() as tx:
        tx.execute(visits.update().values(left_ms=T))
        tx.execute(flow_hours.delete())
        tx.execute(voids.insert().values(community="garden", device="d_x", boot=1, seq=1))
    assert kit.flow.check("garden") == ["voids", "visits", "flow_hours"]
    with kit.core.db.write() as tx:
        kit.flow.rebuild(tx, "garden")
    assert kit.fingerprint() == before


def test_a_check_folds_what_waits_for_itself_only(kit: FlowKit) -> None:
    kit.fold(scan(T, CARD))
    kit.keep([scan(T + HOUR_MS, CARD, direction="out"), count(T)])
    before = kit.fingerprint()
    assert kit.flow.check("garden") == []
    assert kit.fingerprint() == before
    kit.flow.drain()
    assert len(kit.listed("passages")) == 2


def test_a_rebuild_of_one_community_leaves_the_others_alone(kit: FlowKit) -> None:
    small_community(kit.core, "orchard")
    kit.fold(scan(T, CARD), scan(T, "ps_" + "07" * 16, community="orchard", device="d_eeeeeeeeeeee"))
    with kit.core.db.write() as tx:
        kit.flow.rebuild(tx, "garden")
    assert kit.flow.check("garden") == []
    assert kit.flow.check("orchard") == []
    with kit.core.db.read() as tx:
        assert kit.flow.fingerprint(tx, "orchard")["passages"][0] == 1


def test_readers_see_the_old_tables_until_a_rebuild_is_committed(kit: FlowKit) -> None:
    kit.fold(scan(T, CARD))
    with kit.core.db.write() as tx:
        kit.flow.rebuild(tx, "garden")
        assert [row.id for row in kit.listed("visits")] != []
    with pytest.raises(RuntimeError, match="power cut"):
        _cut_short(kit)
    assert kit.flow.check("garden") == []


def _cut_short(kit: FlowKit) -> None:
    with kit.core.db.write() as tx:
        kit.flow.rebuild(tx, "garden")
        raise RuntimeError("power cut")


def test_a_report_that_is_late_at_a_gate_with_a_camera_moves_only_its_neighbours(kit: FlowKit) -> None:
    """Of two minutes without silence only what is near is read and written again."""
    bodies = [count(T + 5_000 * place) for place in range(24)]
    kit.fold(*bodies, *(scan(T + 5_000 * place, WANG if place % 2 else CARD, "west") for place in range(12, 24)))
    seen: list[Changed] = []
    kit.flow.after_fold.append(lambda _, changed: seen.append(changed))
    kit.fold(scan(T + 20_000, CARD, "west"))
    moved = [row.row.at_ms - T for changed in seen for row in (*changed.ledger_removed, *changed.ledger_added)]
    assert moved == [10_000]
    assert kit.flow.check("garden") == []


def test_many_changes_are_walked_through_once(kit: FlowKit) -> None:
    """Each marks all that the gate ever counted, which is done an hour at a time: together, not one after the other."""
    kit.fold(*(count(T + hour * HOUR_MS) for hour in range(6)))
    names = {"en": "Hall"}
    for number in range(6):
        kit.register(Change("garden", "zone", f"hall{number}", 0, Zone(names=names, kind="room", parent="compound")))
    waiting = []
    while True:
        with kit.core.db.write() as tx:
            if kit.flow._slice(tx, "garden", 1000) is None:
                break
            marks = tx.execute(text("SELECT count(*) FROM dirty WHERE subject = 'gate:west:in'")).scalar_one()
            waiting.append(marks)
    assert waiting[0] > 1, "each change left a mark"
    assert len(waiting) > 4, "the walk took several slices"
    assert set(waiting[1:-1]) == {1}, waiting
