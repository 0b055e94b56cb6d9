"""Verdicts and re-derivation on both stores."""

from __future__ import annotations

from dataclasses import replace

import pytest

from community_flow.adapters.forest import ForestRanker
from community_flow.adapters.sql.queries_fold_rows import SqlFoldRows
from community_flow.adapters.sql.queries_review import MOST_NAMED, SqlReview
from community_flow.domain.anomalies import HOUR_MS, Anomaly, Reason, anomaly
from community_flow.domain.errors import NotFound
from community_flow.domain.ledger import Count, surplus
from community_flow.domain.passages import report_key, triple_id
from community_flow.domain.scope import Role, Scope
from community_flow.ports.flow import Changed, LedgerRow
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


def test_of_an_hour_full_of_surplus_the_first_are_named(review: Review) -> None:
    def rows(gate: str, count: int, start_ms: int) -> list[LedgerRow]:
        triples = [("d_aaaaaaaaaaaa", 1, seq + 1) for seq in range(count)]
        return [
            LedgerRow(
                gate,
                "in",
                surplus(Count(report_key(start_ms + each[2], *each), start_ms + each[2], triple_id(each), 1), 1),
            )
            for each in triples
        ]

    hours = [("east", MOST_NAMED + 50, 0), ("west", 3, HOUR_MS), ("west", 9, 2 * HOUR_MS)]
    with review.db.write() as tx:
        changed = Changed("garden", ledger_added=[row for hour in hours for row in rows(*hour)])
        SqlFoldRows().replace_ledger(tx, "garden", [], changed.ledger_added)
        SqlFoldRows().add_hours(tx, changed)
        found = sorted(review.store.surplus(tx, "garden", 0), key=lambda each: each.hour_ms)
        named = [review.store.named(tx, "garden", each) for each in found]
    assert [(each.gate, each.n, each.hour_ms) for each in found] == hours
    assert named[0] == [("d_aaaaaaaaaaaa", 1, seq + 1) for seq in range(MOST_NAMED)]
    assert [len(each) for each in named] == [MOST_NAMED, 3, 9]
