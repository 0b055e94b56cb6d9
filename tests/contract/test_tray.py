"""The tray: what could not be used is seen, mended, dismissed, taken out; on both stores."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from community_flow.adapters.sql.tables_access import audit
from community_flow.domain.errors import Invalid
from community_flow.domain.places import Gate
from community_flow.domain.scope import Role, Scope
from community_flow.services.registry import Change
from community_flow.services.tray import Tray
from community_flow.wiring.core import Core
from tests.contract.test_ingest import Desk
from tests.factories import small_community


@pytest.fixture
def desk(core: Core) -> Desk:
    small_community(core)
    return Desk(core, "gateway", None)


@pytest.fixture
def the_tray(desk: Desk) -> Tray:
    return desk.parts.tray


def open_ids(desk: Desk) -> list[int]:
    return [row.id for row in desk.parts.tray.rows(desk.manager)]


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
