"""Verdicts and re-derivation on both stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from community_flow.adapters.forest import ForestRanker
from community_flow.adapters.sql.queries_review import SqlReview
from community_flow.domain.anomalies import Anomaly, Reason, anomaly
from community_flow.domain.errors import NotFound
from community_flow.domain.scope import Role, Scope
from community_flow.services.review import EXACT, Review
from community_flow.wiring.core import Core
from tests.factories import small_community

STEWARD = Scope("a_steward", Role.STEWARD, frozenset({"garden"}))
KINDS = ("pass_shared",)


@pytest.fixture
def review(core: Core) -> Review:
    small_community(core)
    return Review(core.db, SqlReview(), core.registry, ForestRanker(), core.audit, core.clock)


def shared(first_seq: int = 1, second_seq: int = 2, at_ms: int = 1_000) -> Anomaly:
    evidence = [("d_aaaaaaaaaaaa", 1, first_seq), ("d_aaaaaaaaaaaa", 1, second_seq)]
    return anomaly(
        "pass_shared", "garden", "p_one", (at_ms, at_ms + 9), [Reason("pass_shared")], evidence, person="p_one"
    )


def derive(review: Review, *found: Anomaly, from_ms: int = 0) -> int:
    with review.db.write() as tx:
        return review.store.replace(tx, "garden", KINDS, from_ms, found, 5)


def test_an_anomaly_is_said_once_however_often_it_is_derived(review: Review) -> None:
    assert [derive(review, shared()), derive(review, shared())] == [1, 0]
    assert review.open_count(STEWARD) == 1


def test_a_false_alarm_stays_away(review: Review) -> None:
    derive(review, shared())
    review.give_verdict(STEWARD, shared().id, "false_alarm", "lent to her sister")
    derive(review, shared())
    assert review.open_count(STEWARD) == 0
    [settled] = review.inbox(STEWARD).settled
    assert settled.verdict is not None
    assert settled.verdict.note == "lent to her sister"


def test_a_verdict_follows_a_card_that_a_late_report_re_keyed(review: Review) -> None:
    """An earlier scan arrives late: the evidence grows at its front and the id changes."""
    derive(review, shared(5, 6))
    review.give_verdict(STEWARD, shared(5, 6).id, "false_alarm", None)
    rekeyed = shared(4, 5)
    assert rekeyed.id != shared(5, 6).id
    derive(review, rekeyed)
    assert review.open_count(STEWARD) == 0


def test_what_is_no_longer_derived_goes_unless_somebody_worked_on_it(review: Review) -> None:
    derive(review, shared(1, 2), shared(7, 8))
    review.give_verdict(STEWARD, shared(1, 2).id, "confirmed", None)
    derive(review)
    view = review.inbox(STEWARD)
    assert not view.open
    assert [card.state for card in view.settled] == ["withdrawn"]


def test_older_anomalies_are_left_alone(review: Review) -> None:
    derive(review, shared(at_ms=1_000))
    derive(review, from_ms=50_000)
    assert review.open_count(STEWARD) == 1


def test_a_foreign_anomaly_looks_like_none(review: Review) -> None:
    derive(review, shared())
    with pytest.raises(NotFound):
        review.give_verdict(replace(STEWARD, communities=frozenset({"elsewhere"})), shared().id, "known", None)


def test_a_verdict_is_in_the_log_of_the_person(review: Review, core: Core) -> None:
    derive(review, shared())
    review.give_verdict(STEWARD, shared().id, "confirmed", None)
    [row] = [row for row in core.audit.latest(STEWARD, before=None, limit=9) if row.action == "anomaly.verdict"]
    assert (row.person, row.account, row.detail["verdict"]) == ("p_one", "a_steward", "confirmed")


def test_an_empty_community_has_no_anomalies(review: Review) -> None:
    assert review.examine("garden", 0) == 0
    assert review.rank_behaviour("garden") == 0
    assert set(EXACT) >= {"hold_broken"}
