"""What is unusual for one person, against simple truths."""

from __future__ import annotations

import numpy as np
import pytest

from community_flow.adapters.forest import ForestRanker
from community_flow.domain.behaviour import (
    FEATURES,
    Floats,
    Movements,
    budget_threshold,
    foremost,
    is_silent,
    surprises,
)
from community_flow.domain.local_days import DAY_MS, HOUR_MS, LocalDays

HOUR, GATE, COUNT = range(3)
SEED = 7


def routine(days: int = 20, people: int = 30) -> list[tuple[int, int, int, int]]:
    """Everybody goes out at eight and comes back at six by gate 0, give or take half an hour."""
    rng = np.random.default_rng(SEED)
    rows = []
    for person in range(people):
        for day in range(days):
            rows += [(person, day, int(hour * 60 + rng.normal(0, 20)), 0) for hour in (8, 18)]
    return rows


def movements(rows: list[tuple[int, int, int, int]]) -> Movements:
    table = np.array(sorted(rows), dtype=np.int64)
    return Movements(table[:, 0], table[:, 1], table[:, 2] % 1440, table[:, 3], int(table[:, 0].max()) + 1, 2)


def row_of(rows: list[tuple[int, int, int, int]], person: int, day: int) -> Floats:
    found = surprises(movements(rows), 3)
    row: Floats = found.surprise[(found.person == person) & (found.day == day)][0]
    return row


def test_a_night_out_is_a_surprise_of_the_hour() -> None:
    night = [*routine(), (4, 19, 3 * 60, 0)]
    assert row_of(night, 4, 19)[HOUR] > row_of(night, 5, 19)[HOUR] + 2
    assert foremost(row_of(night, 4, 19)) == "unusual_hour"


def test_twelve_ways_out_are_a_surprise_of_the_count() -> None:
    busy = [*routine(), *((4, 19, 9 * 60 + 10 * turn, 0) for turn in range(12))]
    assert row_of(busy, 4, 19)[COUNT] > row_of(busy, 5, 19)[COUNT] + 5
    assert foremost(row_of(busy, 4, 19)) == "unusual_frequency"


def test_another_gate_is_a_surprise_of_the_place() -> None:
    elsewhere = [*routine(), (4, 19, 8 * 60, 1)]
    assert row_of(elsewhere, 4, 19)[GATE] > row_of(elsewhere, 5, 19)[GATE] + 2


def test_what_somebody_does_every_night_surprises_nobody() -> None:
    """A night worker's night is ordinary although nobody else is out."""
    worker = [*(row for row in routine() if row[0] != 4), *((4, day, 3 * 60, 0) for day in range(20))]
    alone = [*routine(), (4, 19, 3 * 60, 0)]
    assert row_of(worker, 4, 19)[HOUR] < row_of(alone, 4, 19)[HOUR] - 1.5


def test_the_clock_is_a_circle() -> None:
    """Half past eleven at night and half past midnight are an hour apart, not a day."""
    late = [*routine(), *((4, day, 23 * 60 + 40, 0) for day in range(19)), (4, 19, 15, 0)]
    noon = [*routine(), *((4, day, 23 * 60 + 40, 0) for day in range(19)), (4, 19, 13 * 60, 0)]
    assert row_of(late, 4, 19)[HOUR] < row_of(noon, 4, 19)[HOUR]


def test_a_day_never_explains_itself() -> None:
    """The same odd day is as odd with a hundred passages in it: only earlier days count."""
    once, often = [*routine(), (4, 19, 3 * 60, 0)], [*routine(), *[(4, 19, 3 * 60, 0)] * 100]
    assert row_of(often, 4, 19)[HOUR] == pytest.approx(row_of(once, 4, 19)[HOUR], abs=0.35)


def test_the_forest_ranks_the_odd_day_first_and_alike_each_time() -> None:
    odd = [*routine(), (4, 19, 3 * 60, 1)]
    found = surprises(movements(odd), 3)
    scores = [ForestRanker(seed=SEED).rank(found.surprise) for _ in range(2)]
    best = int(np.argmax(scores[0]))
    assert (found.person[best], found.day[best]) == (4, 19)
    assert np.array_equal(scores[0], scores[1])


def test_too_few_days_are_not_ranked() -> None:
    assert not ForestRanker().rank(np.ones((15, len(FEATURES)))).any()


def test_a_budget_is_kept_on_ordinary_days() -> None:
    rng = np.random.default_rng(SEED)
    past, new = rng.normal(size=20_000), rng.normal(size=(200, 1_000))
    threshold = budget_threshold(past, 1_000, 5)
    assert np.mean((new > threshold).sum(axis=1)) == pytest.approx(5, rel=0.3)


def test_a_short_past_promises_nothing() -> None:
    assert budget_threshold(np.zeros(10), 1_000, 1) == np.inf


@pytest.mark.parametrize(
    ("active", "today", "silent"),
    [
        (range(20), 20, False),  # seen yesterday
        (range(20), 22, False),  # two days at home
        (range(20), 25, True),  # daily, and five days nothing
        (range(0, 40, 4), 40, False),  # out every fourth day: three days are nothing
        (range(0, 40, 4), 70, True),  # … a month is
        (range(3), 60, False),  # hardly known
        (range(8), 60, False),  # known for a week only
    ],
)
def test_silence(active: range, today: int, silent: bool) -> None:
    assert is_silent(np.array(active, dtype=np.int64), today) is silent


def test_local_days_follow_the_clock_and_the_cut_off() -> None:
    shanghai = LocalDays("Asia/Shanghai", 4)
    start = shanghai.start_ms(20_000)
    assert (shanghai.day(start), shanghai.day(start - 1), shanghai.minute(start)) == (20_000, 19_999, 240)


@pytest.mark.parametrize("month_day", [80, 88, 90, 298, 301, 303])
def test_days_meet_where_clocks_change(month_day: int) -> None:
    """Around both changes of 2026 in Berlin every day ends where the next begins, 23, 24 or 25 hours long."""
    berlin = LocalDays("Europe/Berlin", 0)
    day = 20_454 + month_day
    length = berlin.start_ms(day + 1) - berlin.start_ms(day)
    assert length in (DAY_MS - HOUR_MS, DAY_MS, DAY_MS + HOUR_MS)
    assert berlin.day(berlin.start_ms(day + 1) - 1) == day
    assert berlin.minute(berlin.start_ms(day)) == 0
