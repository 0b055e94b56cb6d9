"""Scores against the truth: what counts as found, and what as right."""

from __future__ import annotations

from typing import Any

from community_flow.demo.plan import HOUR_MS
from community_flow.demo.score import (
    Finding,
    Score,
    score_anomalies,
    score_contacts,
    score_passages,
    score_sets,
    table,
)

T = 1_795_000_000_000


def event(kind: str = "hold_broken", person: str | None = "p_a", gate: str | None = "east") -> dict[str, Any]:
    return {"kind": kind, "person": person, "gate": gate, "from_ms": T, "to_ms": T + HOUR_MS}


def finding(kind: str = "hold_broken", person: str | None = "p_a", at_ms: int = T, gate: str | None = None) -> Finding:
    return Finding(kind, person, gate, at_ms, at_ms)


def only(scores: list[Score], name: str) -> Score:
    return next(each for each in scores if each.name == name)


def test_the_right_person_at_the_right_time_is_found() -> None:
    score = only(score_anomalies([event()], [finding()]), "hold_broken")
    assert (score.recall, score.precision) == (1, 1)


def test_another_person_or_another_day_is_not() -> None:
    for wrong in (finding(person="p_b"), finding(at_ms=T + 9 * HOUR_MS), finding(at_ms=T - 7 * HOUR_MS)):
        score = only(score_anomalies([event()], [wrong]), "hold_broken")
        assert (score.recall, score.precision) == (0, 0)


def test_a_right_finding_under_another_name_counts_only_over_all() -> None:
    scores = score_anomalies([event("pass_shared")], [finding("impossible_travel")])
    assert only(scores, "pass_shared").recall == 0
    assert only(scores, "impossible_travel").precision == 0
    assert only(scores, "any").recall == 1


def test_an_event_of_nobody_is_found_by_its_gate() -> None:
    crowd = event("ledger_surplus", person=None)
    assert only(score_anomalies([crowd], [finding("ledger_surplus", None, gate="east")]), "ledger_surplus").recall == 1
    assert only(score_anomalies([crowd], [finding("ledger_surplus", None, gate="west")]), "ledger_surplus").recall == 0
    assert only(score_anomalies([crowd], [finding("ledger_surplus", None)]), "ledger_surplus").recall == 0


def test_many_findings_of_one_event_are_all_right_but_reach_it_once() -> None:
    score = only(score_anomalies([event()], [finding(), finding(at_ms=T + 5)]), "hold_broken")
    assert (score.true, score.found, score.right, score.reached) == (1, 2, 2, 1)


def test_a_class_nobody_found_has_no_precision() -> None:
    score = only(score_anomalies([event()], []), "hold_broken")
    assert score.precision is None
    assert score.recall == 0
    assert "-" in table([score])


def test_a_passage_is_matched_once_within_a_minute() -> None:
    truth: dict[str, list[Any]] = {
        "person": ["p_a", "p_a", None, "p_b"],
        "gate": ["east"] * 4,
        "direction": ["in"] * 4,
        "t_ms": [T, T + HOUR_MS, T, T],
        "scanned": [True, True, True, False],
        "alone": [True] * 4,
    }
    found = [("p_a", "east", "in", T + 2000), ("p_a", "east", "in", T + 3000), ("p_b", "east", "in", T)]
    score = score_passages(truth, found)
    assert (score.true, score.found, score.right) == (2, 3, 1)


def test_contacts_are_those_long_enough_together_and_the_household() -> None:
    cases = {
        "index": "p_i",
        "household": ["p_h"],
        "contacts": [{"person": "p_long", "overlap_ms": HOUR_MS}, {"person": "p_short", "overlap_ms": 60_000}],
        "cases": [{"person": "p_i", "source": None}, {"person": "p_long", "source": "p_i"}],
    }
    contacts, infected = score_contacts(cases, {"p_long", "p_short"}, 15 * 60_000)
    assert (contacts.recall, contacts.precision) == (0.5, 0.5)
    assert (infected.recall, infected.precision) == (1, 1)


def test_sets_are_compared_as_sets() -> None:
    assert score_sets("x", ["a", "a", "b"], ["a"]) == Score("x", 2, 1, 1, 1)
