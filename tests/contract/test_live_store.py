"""What the live page and a resident's own page read, on both stores."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from community_flow.adapters.sql.queries_kept import SqlKept
from community_flow.adapters.sql.queries_live import SqlLive
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.adapters.sql.tables_flow import ledger, passages, visits
from community_flow.adapters.sql.tables_registry import people
from community_flow.domain.scope import Role, Scope
from community_flow.ports.kept import KeptSpan
from community_flow.ports.live import FlowCell

STEP = 300_000
GARDEN = Scope.system({"garden"})


def passage(number: int, at_ms: int, direction: str = "in", gate: str = "east", **changed: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "community": "garden", "key": number.to_bytes(8, "big"), "id": f"d:1:{number}", "subject": "r:1",
        "person": None, "gate": gate, "direction": direction, "at_ms": at_ms, "last_ms": at_ms, "kind": "scan",
        "method": "card", "assurance": 1, "decision": "allow", "reason": "ok", "forced": False, "party": 1,
        "unnamed": 0, "unseen": 0, "evidence": [], "before": "",
    }  # fmt: skip
    return row | changed


def surplus(number: int, at_ms: int, n: int, direction: str = "in", kind: str = "surplus") -> dict[str, Any]:
    return {
        "community": "garden", "gate": "east", "direction": direction, "key": number.to_bytes(8, "big"), "kind": kind,
        "at_ms": at_ms, "from_ms": None, "n": n, "source": "d:1:1",
    }  # fmt: skip


def visit(number: int, person: str | None, entered_ms: int, until_ms: int, **changed: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "community": "garden", "key": number.to_bytes(8, "big"), "zone": "compound", "id": f"d:1:{number}/compound",
        "subject": person or "r:1", "person": person, "entered_ms": entered_ms, "left_ms": until_ms,
        "left_earliest_ms": until_ms, "left_latest_ms": until_ms, "until_ms": until_ms, "certainty": "seen",
        "duration_class": 0, "passage": f"d:1:{number}", "closed_by": None,
    }  # fmt: skip
    return row | changed


@pytest.fixture
def filled(database: SqlDatabase) -> SqlDatabase:
    with database.write() as tx:
        tx.execute(
            insert(passages),
            [
                passage(1, 0, party=2, unnamed=1),
                passage(2, STEP - 1),  # the last moment of the first slot
                passage(3, STEP, "out", unnamed=1),
                passage(4, 0, gate="west"),
                passage(5, 0, community="lake"),  # foreign
                passage(6, 10 * STEP),  # after the window
            ],
        )
        tx.execute(insert(ledger), [surplus(1, STEP, 4), surplus(2, 0, 9, kind="turned_back")])
        tx.execute(
            insert(visits),
            [visit(1, "p_a", 0, STEP), visit(2, "p_a", 5, 2**62), visit(3, "p_b", STEP, STEP + 1, zone="clinic")],
        )
    return database


def test_flow_is_passages_and_bodies_without_one(filled: SqlDatabase) -> None:
    with filled.read() as tx:
        found = SqlLive().flow(tx, GARDEN, 0, 2 * STEP, STEP)
    assert sorted(found, key=lambda cell: (cell.gate, cell.direction, cell.slot_ms)) == [
        FlowCell("east", "in", 0, 3),
        FlowCell("east", "in", STEP, 4),
        FlowCell("east", "out", STEP, 1),
        FlowCell("west", "in", 0, 1),
    ]


def test_the_latest_passage_or_body_of_each_gate(filled: SqlDatabase) -> None:
    with filled.read() as tx:
        assert SqlLive().latest(tx, GARDEN, 0) == {"east": 10 * STEP, "west": 0}
        assert SqlLive().latest(tx, GARDEN, 1) == {"east": 10 * STEP}


def test_visits_begin_and_end_in_slots(filled: SqlDatabase) -> None:
    with filled.read() as tx:
        found = SqlLive().visit_changes(tx, GARDEN, {"compound"}, 0, 2 * STEP, STEP)
    assert found == {0: 2, STEP: -1}


def test_bodies_without_a_visit_are_signed_by_direction(filled: SqlDatabase) -> None:
    with filled.read() as tx:
        found = SqlLive().unnamed_changes(tx, GARDEN, {"east"}, 0, 2 * STEP, STEP)
    assert found == {0: 1, STEP: 3}


def test_a_scope_without_communities_reads_nothing(filled: SqlDatabase) -> None:
    nobody, live = Scope.system(()), SqlLive()
    with filled.read() as tx:
        assert live.flow(tx, nobody, 0, 2 * STEP, STEP) == []
        assert live.devices(tx, nobody) == []
        assert not live.any_report(tx, nobody)


def test_a_resident_reads_their_own_rows_and_nobody_elses(filled: SqlDatabase) -> None:
    with filled.write() as tx:
        for person, name in (("p_a", "林晓梅"), ("p_b", "王强")):
            tx.execute(
                insert(people).values(
                    community="garden", person=person, name=name, initials="x", phone=None, note=None, created_ms=1
                )
            )
    scope, kept = Scope("a_1", Role.RESIDENT, frozenset({"garden"}), person="p_a"), SqlKept()
    with filled.read() as tx:
        record = kept.record(tx, scope)
        assert record is not None
        assert record.name == "林晓梅"
        assert kept.span(tx, scope) == KeptSpan(2, 0)
        assert [each.entered_ms for each in kept.visits(tx, scope, 10)] == [5, 0]
        assert kept.passes(tx, scope) == []


def test_an_account_without_a_person_reads_nothing_of_anybody(filled: SqlDatabase) -> None:
    scope, kept = Scope("a_1", Role.RESIDENT, frozenset({"garden"})), SqlKept()
    with filled.read() as tx:
        assert kept.record(tx, scope) is None
        assert kept.span(tx, scope) == KeptSpan(0, None)
        assert kept.visits(tx, scope, 10) == []
