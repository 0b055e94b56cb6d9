"""Each exact rule: what it says and, above all, what it keeps quiet about."""

from __future__ import annotations

import pytest

from community_flow.domain.anomalies import (
    DAY_MS,
    HOUR_MS,
    KINDS,
    MINUTE_MS,
    Contradiction,
    Passed,
    Stay,
    Surplus,
    holds_broken,
    impossible_travels,
    overstays,
    poisson_tail,
    relayed,
    shared_passes,
    surpluses,
)
from community_flow.domain.passages import Triple
from community_flow.domain.places import Hold
from community_flow.entrypoints.anomaly_words import LIKELY, TITLES, reason_codes

DEVICE = "d_aaaaaaaaaaaa"
INNER = {"east": "compound", "west": "compound", "clinic-door": "clinic"}


def passed(at_ms: int, gate: str = "east", direction: str = "in", person: str = "p_lin") -> Passed:
    return Passed(person, person, gate, direction, at_ms, (DEVICE, 1, at_ms))


def travel(at_ms: int, took_s: int = 30, walk_s: int = 60, subject: str = "p_lin") -> Contradiction:
    detail = {"gates": ["east", "west"], "took_ms": took_s * 1000, "walk_s": walk_s}
    return Contradiction("impossible_travel", subject, subject, at_ms, ((DEVICE, 1, at_ms),), detail)


def isolation(from_ms: int = 0, until_ms: int | None = 10 * DAY_MS, kind: str = "isolation") -> dict[str, list[Hold]]:
    return {"p_lin": [Hold(kind=kind, from_ms=from_ms, until_ms=until_ms)]}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("passages", "holds", "count"),
    [
        # out and back within the hour is one outing
        ([passed(100, direction="out"), passed(100 + HOUR_MS)], isolation(), 1),
        # two outings on two days
        ([passed(100, direction="out"), passed(100 + 2 * DAY_MS, direction="out")], isolation(), 2),
        # coming home at the start of isolation breaks nothing
        ([passed(100)], isolation(), 0),
        # before it and at its very end
        ([passed(5, direction="out"), passed(20, direction="out")], isolation(10, 20), 0),
        # a hold without an end
        ([passed(100, direction="out")], isolation(until_ms=None), 1),
        # "please go to the desk" is no isolation
        ([passed(100, direction="out")], isolation(kind="office"), 0),
        # somebody else
        ([passed(100, direction="out", person="p_wu")], isolation(), 0),
    ],
)
def test_broken_holds(passages: list[Passed], holds: dict[str, list[Hold]], count: int) -> None:
    assert len(list(holds_broken("garden", passages, holds))) == count


@pytest.mark.parametrize(
    ("conflicts", "severities"),
    [
        # once and by seconds: evidence, no alert
        ([travel(0)], []),
        # again within a week
        ([travel(0), travel(3 * DAY_MS)], ["high"]),
        # again, but a month later
        ([travel(0), travel(30 * DAY_MS)], []),
        # once, but minutes too soon
        ([travel(0, took_s=20, walk_s=300)], ["medium"]),
        # two people once each
        ([travel(0), travel(5, subject="p_wu")], []),
    ],
)
def test_impossible_travel(conflicts: list[Contradiction], severities: list[str]) -> None:
    assert [found.severity for found in impossible_travels("garden", conflicts)] == severities


@pytest.mark.parametrize(
    ("passages", "severities"),
    [
        # in at the east gate, in at the west gate six minutes later
        ([passed(0), passed(6 * MINUTE_MS, "west")], ["medium"]),
        # with an exit between it is a walk
        ([passed(0), passed(MINUTE_MS, direction="out"), passed(6 * MINUTE_MS, "west")], []),
        # the same gate is a repeat, not a second place
        ([passed(0), passed(6 * MINUTE_MS)], []),
        # into the clinic from the compound is how one walks
        ([passed(0), passed(6 * MINUTE_MS, "clinic-door")], []),
        # an hour later an exit was forgotten
        ([passed(0), passed(HOUR_MS, "west")], []),
        # twice in a week
        ([passed(0), passed(MINUTE_MS, "west"), passed(DAY_MS), passed(DAY_MS + MINUTE_MS, "west")], ["high"]),
    ],
)
def test_shared_passes(passages: list[Passed], severities: list[str]) -> None:
    assert [found.severity for found in shared_passes("garden", passages, INNER)] == severities


def test_a_credential_nobody_holds_can_be_shared_but_a_nameless_report_cannot() -> None:
    nameless = [Passed(f"r:{at}", None, gate, "in", at, (DEVICE, 1, at)) for at, gate in ((0, "east"), (9, "west"))]
    assert not list(shared_passes("garden", nameless, INNER))


@pytest.mark.parametrize(
    ("left_ms", "now_ms", "count"),
    [
        # left half an hour late: nobody minds
        (10 * HOUR_MS + 30 * MINUTE_MS, 20 * HOUR_MS, 0),
        # left three hours late
        (13 * HOUR_MS, 20 * HOUR_MS, 1),
        # still inside, and the pass has ended long ago
        (None, 20 * HOUR_MS, 1),
        # still inside, and the pass is good
        (None, 9 * HOUR_MS, 0),
    ],
)
def test_overstays(left_ms: int | None, now_ms: int, count: int) -> None:
    stay = Stay("p_guest", 8 * HOUR_MS, left_ms, 10 * HOUR_MS, (DEVICE, 1, 1))
    assert len(list(overstays("garden", [stay], now_ms))) == count


def test_a_visitor_still_inside_keeps_one_card() -> None:
    stay = Stay("p_guest", 8 * HOUR_MS, None, 10 * HOUR_MS, (DEVICE, 1, 1))
    [early], [late] = (list(overstays("garden", [stay], now)) for now in (12 * HOUR_MS, 20 * HOUR_MS))
    assert early.id == late.id


@pytest.mark.parametrize(
    ("n", "crossings", "count"),
    [
        (1, 100, 0),  # what a camera errs by
        (9, 100, 0),  # a bad hour, p = 0.004
        (14, 100, 1),  # a group
        (6, 8, 1),  # a group at a quiet time
        (0, 100, 0),
    ],
)
def test_surplus_bodies(n: int, crossings: int, count: int) -> None:
    row, asked = Surplus("east", "in", 0, n, crossings), list[Surplus]()

    def named(hour: Surplus) -> list[Triple]:
        asked.append(hour)
        return [(DEVICE, 1, 1)]

    found = list(surpluses("garden", [row], {("east", "in"): 0.04}, named))
    assert [each.evidence for each in found] == [((DEVICE, 1, 1),)] * count
    assert asked == [row] * count  # the names of an ordinary hour are not even read


def test_poisson_tail_against_its_definition() -> None:
    assert poisson_tail(0, 3.0) == 1.0
    assert poisson_tail(1, 3.0) == pytest.approx(1 - 2.718281828459045**-3)
    assert poisson_tail(60, 3.0) == pytest.approx(0, abs=1e-12)
    # A camera at a gate without scanners: beyond 745 the first term of the sum is 0.
    assert poisson_tail(2_000, 2_000.0) == pytest.approx(0.503, abs=0.001)
    assert poisson_tail(5_000, 2_000.0) < 1e-12


def test_one_relayed_code_is_enough() -> None:
    code = Contradiction(
        "relayed_code", "relay:ps_1@9", None, 5, ((DEVICE, 1, 1), (DEVICE, 1, 2)), {"gates": ["a", "b"]}
    )
    assert len(list(relayed("garden", [code, travel(5)]))) == 1


def test_every_kind_is_worded() -> None:
    assert set(TITLES) == set(LIKELY) == set(KINDS) == reason_codes()
