"""How many are inside, case by case."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from community_flow.domain.journal import Entry, Journal
from community_flow.domain.occupancy import Baseline, GateFlow, ZoneVisits, baseline_ms, crossing_sign, occupancy
from community_flow.domain.places import Gate, Zone
from community_flow.domain.rulebook import Places, Rulebook

HOUR_MS = 3_600_000
DAWN = Baseline(0)


def places(**gates: Gate) -> Places:
    rows: list[tuple[str, str, Any]] = [
        ("zone", "compound", Zone(names={"en": "C"}, kind="compound")),
        ("zone", "b1", Zone(names={"en": "B"}, kind="building", parent="compound")),
        ("gate", "east", Gate(names={"en": "E"}, inner="compound", error_rate=0.04)),
        ("gate", "door", Gate(names={"en": "D"}, inner="b1", outer="compound", error_rate=0.0)),
        *(("gate", name, gate) for name, gate in gates.items()),
    ]
    entries = [
        Entry(number, "g", kind, entity, 0, msgspec.to_builtins(data))
        for number, (kind, entity, data) in enumerate(rows)
    ]
    return Rulebook(Journal("g", entries)).places(0)


CASES: list[tuple[str, ZoneVisits, list[GateFlow], Baseline, tuple[int, int, int]]] = [
    ("nobody", ZoneVisits(), [], DAWN, (0, 0, 0)),
    ("visits", ZoneVisits(open=12), [], DAWN, (12, 12, 12)),
    ("companions and strangers", ZoneVisits(open=1), [GateFlow("east", "in", unnamed=3)], DAWN, (4, 4, 4)),
    ("they leave again", ZoneVisits(), [GateFlow("east", "in", 3), GateFlow("east", "out", 2)], DAWN, (1, 1, 1)),
    (
        "bodies without a pass, with the gate's error",
        ZoneVisits(open=5),
        [GateFlow("east", "in", surplus=2, crossings=25)],
        DAWN,
        (7, 5, 9),
    ),
    (
        "a body out is the visit whose exit nobody scanned",
        ZoneVisits(open=4, unseen_exits=1),
        [GateFlow("east", "out", surplus=1)],
        DAWN,
        (4, 4, 4),
    ),
    (
        "two bodies out are one more than that",
        ZoneVisits(open=4, unseen_exits=1),
        [GateFlow("east", "out", surplus=2)],
        DAWN,
        (3, 3, 3),
    ),
    (
        "a body in is the person whose exit came from nowhere",
        ZoneVisits(open=4),
        [GateFlow("east", "in", surplus=1), GateFlow("east", "out", unseen=1)],
        DAWN,
        (4, 4, 4),
    ),
    ("never fewer than nobody", ZoneVisits(), [GateFlow("east", "out", surplus=9)], DAWN, (0, 0, 0)),
    ("a census counts whom nobody saw come", ZoneVisits(open=4), [], Baseline(5, correction=3), (7, 7, 7)),
    (
        "open visits that, going by yesterday, have ended",
        ZoneVisits(open=10, stale=8, recent_seen=3, recent_unseen=1),
        [],
        DAWN,
        (10, 8, 10),
    ),
    (
        "a door inside the compound does not change it",
        ZoneVisits(open=2),
        [GateFlow("door", "in", unnamed=5)],
        DAWN,
        (2, 2, 2),
    ),
    (
        "a gate that no longer exists says nothing",
        ZoneVisits(open=2),
        [GateFlow("gone", "in", unnamed=5)],
        DAWN,
        (2, 2, 2),
    ),
]


@pytest.mark.parametrize(("name", "visits", "flows", "baseline", "expected"), CASES, ids=[case[0] for case in CASES])
def test_occupancy(
    name: str, visits: ZoneVisits, flows: list[GateFlow], baseline: Baseline, expected: tuple[int, int, int]
) -> None:
    found = occupancy("compound", places(), visits, flows, baseline)
    assert (found.inside, found.low, found.high) == expected


def test_a_way_leads_into_zones_that_it_does_not_lead_out_of() -> None:
    gates = places().gates
    assert crossing_sign(gates["door"], "in", "b1") == 1
    assert crossing_sign(gates["door"], "in", "compound") == 0
    assert crossing_sign(gates["east"], "out", "compound") == -1
    assert crossing_sign(None, "in", "compound") == 0


def test_strangers_add_up_since_the_census_or_as_long_as_one_stays_where_a_way_out_is_free() -> None:
    as_of_ms = 100 * HOUR_MS
    assert baseline_ms("compound", places(), 7, as_of_ms) == 7
    assert baseline_ms("compound", places(), None, as_of_ms) == 0
    free = places(north=Gate(names={"en": "N"}, inner="compound", exits="free"))
    assert baseline_ms("compound", free, None, as_of_ms) == 88 * HOUR_MS
    assert baseline_ms("b1", free, None, as_of_ms) == 0
