"""The tray: what could not be used is seen, mended, dismissed, taken out; on both stores."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from community_flow.adapters.sql.tables_access import audit
from community_flow.domain.errors import Invalid, NotFound, TooMany
from community_flow.domain.places import Gate
from community_flow.domain.scope import Role, Scope
from community_flow.entrypoints.tray_words import REASONS
from community_flow.ports import Transaction
from community_flow.ports.ingest import Kept, Submission
from community_flow.services.registry import Change
from community_flow.services.tray import Tray
from community_flow.services.tray_guard import TrayGuard
from community_flow.wiring.core import Core
from sensors import wire
from tests.contract.test_ingest import BOOT, Desk
from tests.factories import small_community

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


@pytest.fixture
def desk(core: Core) -> Desk:
    small_community(core)
    return Desk(core, "gateway", None)


@pytest.fixture
def the_tray(desk: Desk) -> Tray:
    return desk.parts.tray


def open_ids(desk: Desk, limit: int = 100) -> list[int]:
    return [row.id for row in desk.parts.tray.rows(desk.manager, limit=limit)]


def test_a_report_of_a_gate_that_is_added_later_is_mended(desk: Desk, the_tray: Tray) -> None:
    desk.send(desk.count(1, gate="north"))
    assert the_tray.count_open(desk.manager) == {"foreign_gate": 1}
    assert [each.state for each in the_tray.retry(desk.manager, open_ids(desk))] == ["open"]
    north = Gate(names={"en": "North gate"}, inner="compound")
    with desk.core.db.write() as tx:
        desk.core.registry.record(tx, [Change("garden", "gate", "north", 0, north)], "m")
    assert [each.state for each in the_tray.retry(desk.manager, open_ids(desk))] == ["mended"]
    assert the_tray.count_open(desk.manager) == {}
    assert [(row.gate, row.seq) for row in desk.rows()] == [("north", 1)]
    assert [mark.subject for mark in desk.marks()] == ["gate:north:in"]


def test_a_report_sent_again_after_mending_is_a_repeat(desk: Desk, the_tray: Tray) -> None:
    report = desk.count(1, gate="north")
    desk.send(report)
    with desk.core.db.write() as tx:
        north = Gate(names={"en": "North gate"}, inner="compound")
        desk.core.registry.record(tx, [Change("garden", "gate", "north", 0, north)], "m")
    the_tray.retry(desk.manager, open_ids(desk))
    desk.parts.trust.forget()
    device = desk.parts.ingest.admit(desk.enrolled.token, 1)
    assert [each.outcome for each in desk.send(report, device=device).results] == ["duplicate"]
    assert len(desk.rows()) == 1


def test_devices_are_locked_in_one_order(desk: Desk, the_tray: Tray, monkeypatch: pytest.MonkeyPatch) -> None:
    """In that in which reports are taken in, or each would wait for the other; the answers keep the order asked for."""
    desks = sorted((desk, *(Desk(desk.core, "gateway", None) for _ in range(4))), key=lambda each: each.device.device)
    for each in reversed(desks):
        each.send(each.count(1, gate="north"))
    with desk.core.db.write() as tx:
        north = Gate(names={"en": "North gate"}, inner="compound")
        desk.core.registry.record(tx, [Change("garden", "gate", "north", 0, north)], "m")
    order: list[str] = []
    keep = desk.parts.ingest.keep_again

    def noted(tx: Transaction, submission: Submission) -> Kept:
        order.append(submission.device)
        return keep(tx, submission)

    monkeypatch.setattr(desk.parts.ingest, "keep_again", noted)
    ids = open_ids(desk)
    assert [(each.id, each.state) for each in the_tray.retry(desk.manager, ids)] == [(each, "mended") for each in ids]
    assert order == [each.device.device for each in desks]


def test_a_held_report_takes_part_once_it_is_released(desk: Desk, the_tray: Tray) -> None:
    desk.send(desk.count(1, at=desk.now_ms + 3_600_000))
    assert not desk.marks()
    assert [each.state for each in the_tray.retry(desk.manager, open_ids(desk))] == ["mended"]
    assert not desk.rows()[0].held
    assert [mark.subject for mark in desk.marks()] == ["gate:east:in"]
    assert the_tray.retry(desk.manager, [row.id for row in desk.tray()])[0].state == "mended"  # once is enough
    assert len(desk.marks()) == 1


def test_conflicts_and_old_reports_can_only_be_dismissed_with_a_reason(desk: Desk, the_tray: Tray) -> None:
    desk.send(desk.count(1), desk.count(1, n=2), desk.count(2, at=5_000))
    ids = open_ids(desk)
    assert [each.state for each in the_tray.retry(desk.manager, ids)] == ["open", "open"]
    with pytest.raises(Invalid):
        the_tray.dismiss(desk.manager, ids, " ")
    assert the_tray.dismiss(desk.manager, ids, "camera was tested") == 2
    assert the_tray.dismiss(desk.manager, ids, "again") == 0
    assert [row.state for row in the_tray.rows(desk.manager, state=None)] == ["dismissed", "dismissed"]
    with desk.core.db.read() as tx:
        logged = [row for row in tx.execute(select(audit)).mappings() if row["action"] == "tray.dismissed"]
    assert [row["purpose"] for row in logged] == ["camera was tested"] * 2


def test_nobody_sees_the_tray_of_another_community(desk: Desk, the_tray: Tray) -> None:
    desk.send(desk.count(1, gate="north"))
    stranger = Scope("x", Role.MANAGER, frozenset({"elsewhere"}))
    assert the_tray.rows(stranger) == []
    assert the_tray.retry(stranger, open_ids(desk)) == []
    assert the_tray.dismiss(stranger, open_ids(desk), "mine") == 0
    assert list(the_tray.export(stranger)) == []


def test_the_export_has_every_row_with_its_sealed_body(desk: Desk, the_tray: Tray) -> None:
    bad: dict[str, Any] = json.loads(desk.count(9).encode())
    desk.send_raw(*(json.dumps(bad | {"seq": seq, "n": -1}) for seq in range(1, 8)))
    rows = list(the_tray.export(desk.manager))
    assert [row.seq for row in rows] == list(range(1, 8))
    assert all(set(row.body or {}) == {"kid", "epk", "nonce", "ct"} for row in rows)


def test_a_malformed_report_stays_until_it_is_dismissed(desk: Desk, the_tray: Tray) -> None:
    desk.send_raw(json.dumps(json.loads(desk.count(1).encode()) | {"n": -1}))
    (found,) = the_tray.retry(desk.manager, open_ids(desk))
    assert (found.state, found.reason) == ("open", "malformed")


# --- every reason, end to end ---------------------------------------------------------------------------------------


def reason_rows(desk: Desk) -> dict[str, int]:
    """One report of every kind that cannot be used; gives the rows by reason."""
    sealed = {"kid": "77", "epk": "B" + "A" * 86, "nonce": "A" * 16, "ct": "A" * 64}
    scan = json.loads(desk.scan(5, tag="04A2FF10").encode())
    del scan["tag"]
    desk.send_raw(
        json.dumps(json.loads(desk.count(1).encode()) | {"n": -1}),
        json.dumps(json.loads(desk.count(2).encode()) | {"kind": "smell"}),
        desk.count(3, gate="north").encode(),
        wire.Census(boot=BOOT, seq=4, at=desk.now_ms, zone="b9", n=0).encode(),
        json.dumps(scan | {"sealed": sealed}),
        desk.scan(6, person="p_aaaaaaaaaaaa", method="manual").encode(),
        desk.count(7, at=desk.now_ms + 3 * HOUR_MS).encode(),
        desk.count(8, at=desk.now_ms - 40 * 24 * HOUR_MS).encode(),
        desk.count(9).encode(),
        desk.count(9, n=2).encode(),
    )
    return {row.reason: row.id for row in desk.parts.tray.rows(desk.manager)}


def test_every_reason_comes_with_its_report_and_its_words(desk: Desk, the_tray: Tray) -> None:
    found = reason_rows(desk)
    assert set(found) == {
        "malformed", "unknown_kind", "foreign_gate", "foreign_zone", "seal", "person_not_allowed", "future",
        "past_retention", "conflict",
    }  # fmt: skip
    assert set(found) <= set(REASONS)
    opened = {reason: the_tray.look(desk.manager, row) for reason, row in found.items()}
    assert opened["future"].text is None  # kept with the others
    assert all(each.text for reason, each in opened.items() if reason != "future")
    assert json.loads(opened["malformed"].text or "")["n"] == -1


def test_a_look_shows_nobodys_name_and_no_sealed_part(desk: Desk, the_tray: Tray) -> None:
    found = reason_rows(desk)
    named = the_tray.look(desk.manager, found["person_not_allowed"]).text or ""
    assert "p_aaaaaaaaaaaa" not in named
    assert '"gate": "east"' in named
    sealed = the_tray.look(desk.manager, found["seal"]).text or ""
    assert "A" * 64 not in (the_tray.look(desk.manager, found["seal"]).row.detail)
    assert json.loads(sealed)["sealed"]["kid"] == "77"
    with desk.core.db.read() as tx:
        looks = [row for row in tx.execute(select(audit)).mappings() if row["action"] == "tray.look"]
    assert len(looks) == 3
    stranger = Scope("x", Role.MANAGER, frozenset({"elsewhere"}))
    with pytest.raises(NotFound):
        the_tray.look(stranger, found["seal"])


def test_poison_never_blocks_the_queue(desk: Desk) -> None:
    poison = json.dumps(json.loads(desk.count(1).encode()) | {"n": -1})
    answer = desk.send_raw(poison, desk.count(2).encode(), poison, desk.count(3).encode())
    assert [each.outcome for each in answer.results] == ["rejected", "accepted", "rejected", "accepted"]
    assert answer.through == (wire.Through(BOOT, 3),)


def test_a_report_that_stands_in_another_way_now_says_so(desk: Desk, the_tray: Tray) -> None:
    """Its gate was added, but meanwhile it is dated ahead: it stays whole in the tray, under the new reason."""
    desk.send(desk.count(1, gate="north", at=desk.now_ms + 3 * HOUR_MS))
    add_north(desk)
    (found,) = the_tray.retry(desk.manager, open_ids(desk))
    assert (found.state, found.reason) == ("open", "future")
    assert the_tray.count_open(desk.manager) == {"future": 1}
    assert desk.rows() == []
    assert desk.parts.letting_go.step() == 0


def test_what_was_kept_meanwhile_with_other_content_becomes_a_conflict(desk: Desk, the_tray: Tray) -> None:
    desk.send(desk.count(1, gate="north"))
    desk.send(desk.count(1, n=7))
    add_north(desk)
    (found,) = the_tray.retry(desk.manager, open_ids(desk)[:1])
    assert (found.state, found.reason) == ("open", "conflict")
    assert [row.n for row in desk.rows()] == [7]
    assert the_tray.count_open(desk.manager) == {"conflict": 1}


# --- exactly once ----------------------------------------------------------------------------------------------------


def test_a_crash_between_keeping_and_settling_leaves_neither(desk: Desk, the_tray: Tray) -> None:
    desk.send(desk.count(1, gate="north"))
    add_north(desk)
    settle, the_tray.store.settle = the_tray.store.settle, _crash  # type: ignore[method-assign,assignment]
    with pytest.raises(SystemError):
        the_tray.retry(desk.manager, open_ids(desk))
    assert desk.rows() == []
    assert desk.marks() == []
    the_tray.store.settle = settle  # type: ignore[method-assign]
    assert [each.state for each in the_tray.retry(desk.manager, open_ids(desk))] == ["mended"]
    assert len(desk.rows()) == len(desk.marks()) == 1


def _crash(*_: object) -> None:
    raise SystemError("killed")


def test_two_who_retry_at_once_keep_everything_once(desk: Desk, the_tray: Tray) -> None:
    desk.send(*(desk.count(seq, gate="north") for seq in range(1, 301)))
    add_north(desk)
    ids, found = open_ids(desk, 500), []
    start = threading.Barrier(2)

    def steward() -> None:
        start.wait()
        found.append(the_tray.retry(desk.manager, ids))

    both = [threading.Thread(target=steward) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert all(each.state == "mended" for answers in found for each in answers)
    assert len(desk.rows()) == len(desk.marks()) == 300
    with desk.core.db.read() as tx:
        mended = [row for row in tx.execute(select(audit)).mappings() if row["action"] == "tray.mended"]
    assert len(mended) == 300


# --- many -------------------------------------------------------------------------------------------------------------


def test_thousands_are_tried_and_dismissed_by_reason(desk: Desk, the_tray: Tray) -> None:
    for start in range(1, 2001, 500):
        desk.send(*(desk.count(seq, gate="north") for seq in range(start, start + 500)))
    desk.send_raw(*(json.dumps(json.loads(desk.count(seq).encode()) | {"n": -1}) for seq in range(5001, 5501)))
    bulk = the_tray.retry_all(desk.manager, "foreign_gate")
    assert (bulk.mended, bulk.reasons) == (0, {"foreign_gate": bulk.still_open})
    add_north(desk)
    mended, after = 0, 0
    while True:
        bulk = the_tray.retry_all(desk.manager, "foreign_gate", after=after)
        mended += bulk.mended
        if bulk.after is None:
            break
        after = bulk.after
    assert mended == 2000
    assert the_tray.count_open(desk.manager) == {"malformed": 500}
    seen = the_tray.newest(desk.manager)
    desk.send_raw(json.dumps(json.loads(desk.count(9000).encode()) | {"n": -1}))
    assert the_tray.dismiss_all(desk.manager, "malformed", seen, "broken camera") == 500
    assert the_tray.count_open(desk.manager) == {"malformed": 1}  # nobody has seen that one
    stranger = Scope("x", Role.MANAGER, frozenset({"elsewhere"}))
    assert the_tray.dismiss_all(stranger, "malformed", 10**9, "mine") == 0
    assert the_tray.retry_all(stranger, "malformed").still_open == 0


# --- held reports -----------------------------------------------------------------------------------------------------


class HandTime:
    """Time that stands still until a test moves it, and may be unknown."""

    def __init__(self, now_ms: int) -> None:
        self.at_ms, self.known = now_ms, True

    def now_ms(self) -> int:
        return self.at_ms


@pytest.fixture
def hand(desk: Desk) -> HandTime:
    made = HandTime(desk.now_ms)
    letting_go = desk.parts.letting_go
    letting_go.clock, letting_go.knows_time = made, lambda: made.known
    return made


def test_what_is_a_little_ahead_takes_part_when_its_time_has_come(desk: Desk, hand: HandTime) -> None:
    desk.send(desk.count(1, at=desk.now_ms + 15 * MINUTE_MS), desk.count(2, at=desk.now_ms + 30 * 24 * HOUR_MS))
    assert desk.parts.letting_go.step() == 0
    hand.at_ms += 15 * MINUTE_MS
    assert desk.parts.letting_go.step() == 1
    assert desk.parts.letting_go.step() == 0
    assert [(row.seq, row.held) for row in desk.rows()] == [(1, False), (2, True)]
    assert len(desk.marks()) == 1
    hand.at_ms += 31 * 24 * HOUR_MS  # a wrong clock is not right a month later
    desk.parts.letting_go.horizon_ms = lambda tx, name: 60 * 24 * HOUR_MS
    assert desk.parts.letting_go.step() == 0
    assert desk.parts.tray.count_open(desk.manager) == {"future": 1}


def test_what_waited_for_the_servers_clock_takes_part_when_it_is_right(desk: Desk, hand: HandTime) -> None:
    desk.parts.ingest.knows_time = lambda: False
    late, early = desk.now_ms - 40 * 24 * HOUR_MS, desk.now_ms + 5 * HOUR_MS
    desk.send(desk.count(1), desk.count(2, at=late), desk.count(3, at=early))
    hand.known = False
    assert desk.parts.letting_go.step() == 0
    assert [each.reason for each in desk.parts.tray.retry(desk.manager, open_ids(desk))] == ["server_clock"] * 3
    desk.parts.ingest.knows_time = lambda: True
    hand.known = True
    assert desk.parts.letting_go.step() == 1
    assert [(row.seq, row.held) for row in desk.rows()] == [(1, False), (2, True), (3, True)]
    assert desk.parts.tray.count_open(desk.manager) == {"past_retention": 1, "future": 1}


# --- a flood ----------------------------------------------------------------------------------------------------------


def test_a_device_that_floods_the_tray_is_refused_until_somebody_looks(desk: Desk, the_tray: Tray) -> None:
    inner = desk.parts.ingest.committer
    assert isinstance(inner, TrayGuard)
    clock = HandTime(desk.now_ms)
    desk.parts.ingest.committer = TrayGuard(inner.inner, inner.count_open, desk.parts.meter, clock, 100, 10)
    poison = json.loads(desk.count(1).encode()) | {"n": -1}
    for start in range(1, 101, 20):
        desk.send_raw(*(json.dumps(poison | {"seq": seq}) for seq in range(start, start + 20)))
    with pytest.raises(TooMany):
        desk.send(desk.count(500))
    other = replace(desk.device, device=Desk(desk.core, "camera", "west").device.device)
    assert [each.outcome for each in desk.send(desk.count(1, gate="west"), device=other).results] == ["accepted"]
    the_tray.dismiss_all(desk.manager, "malformed", the_tray.newest(desk.manager), "broken")
    with pytest.raises(TooMany):
        desk.send(desk.count(500))
    clock.at_ms += 61_000
    assert desk.outcomes(desk.count(500)) == ["accepted"]


def test_what_no_report_can_be_is_kept_by_its_beginning_and_digest(desk: Desk, the_tray: Tray) -> None:
    desk.send_raw(json.dumps(json.loads(desk.count(1).encode()) | {"n": "x" * 900_000}))
    opened = the_tray.look(desk.manager, open_ids(desk)[0])
    shown = json.loads(opened.text or "")
    assert shown["length"] > 900_000
    assert len(opened.text or "") < 20_000
    (found,) = the_tray.retry(desk.manager, open_ids(desk))
    assert (found.state, found.reason) == ("open", "malformed")


def add_north(desk: Desk) -> None:
    with desk.core.db.write() as tx:
        north = Gate(names={"en": "North gate"}, inner="compound")
        desk.core.registry.record(tx, [Change("garden", "gate", "north", 0, north)], "m")
