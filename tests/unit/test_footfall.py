"""Hours, days and dwell in the community's own calendar."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from community_flow.domain.footfall import (
    HOUR_MS,
    HourCount,
    Stays,
    day_of,
    day_start_ms,
    label_of,
    labels_between,
    person_ms,
    tabled,
    zone_hours,
)

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 400)), max_size=20), st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_person_time_equals_adding_up_each_stay(stays: list[tuple[int, int]], parts: int) -> None:
    edges = np.arange(0, parts + 1) * 100
    entered = np.array([start for start, _ in stays], np.int64)
    left = np.array([start + length for start, length in stays], np.int64)
    expected = [
        sum(max(0, min(e, b) - max(s, a)) for s, e in zip(entered, left, strict=True))
        for a, b in itertools.pairwise(edges)
    ]
    assert person_ms(entered, left, edges).tolist() == expected


def test_a_stay_counts_where_it_began_and_where_it_ended_and_in_every_hour_between() -> None:
    stays = Stays(
        *(
            np.array([value])
            for value in (HOUR_MS // 2, 2 * HOUR_MS + 600_000, 2 * HOUR_MS + 600_000, 2 * HOUR_MS + 600_000)
        )
    )
    rows = zone_hours("c", "hall", stays, 0, 4 * HOUR_MS)
    assert [(row.hour_ms // HOUR_MS, row.entries, row.exits) for row in rows] == [(0, 1, 0), (1, 0, 0), (2, 0, 1)]
    assert [row.inside_low_ms for row in rows] == [HOUR_MS // 2, HOUR_MS, 600_000]
    assert (rows[0].dwells, rows[0].dwell_ms) == (1, 2 * HOUR_MS + 600_000 - HOUR_MS // 2)


def test_an_exit_nobody_saw_widens_the_time_inside_and_gives_no_dwell() -> None:
    stays = Stays(np.array([0]), np.array([-1]), np.array([HOUR_MS]), np.array([2**62]))
    rows = zone_hours("c", "hall", stays, 0, 3 * HOUR_MS)
    assert [(row.inside_low_ms, row.inside_high_ms) for row in rows] == [(HOUR_MS, HOUR_MS), (0, HOUR_MS), (0, HOUR_MS)]
    assert sum(row.dwells + row.exits for row in rows) == 0


@pytest.mark.parametrize(
    ("moment", "cutoff", "expected"),
    [
        ("2026-11-24T00:30+08:00", 0, date(2026, 11, 24)),
        ("2026-11-24T00:30+08:00", 4, date(2026, 11, 23)),  # a night shift still belongs to the evening before
        ("2026-11-24T04:00+08:00", 4, date(2026, 11, 24)),
    ],
)
def test_a_day_begins_at_the_cut_off_hour(moment: str, cutoff: int, expected: date) -> None:
    assert day_of(ms(moment), SHANGHAI, cutoff) == expected


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)])
def test_days_on_which_the_clock_changes_have_23_or_25_hours(day: date, hours: int) -> None:
    start, end = day_start_ms(day, BERLIN, 0), day_start_ms(date.fromordinal(day.toordinal() + 1), BERLIN, 0)
    assert (end - start) // HOUR_MS == hours
    labels = labels_between(start, end, "hour", BERLIN, 0)
    assert len(set(labels)) == len(labels) == hours
    assert labels_between(start, end, "day", BERLIN, 0) == [day.isoformat()]


def test_the_hour_that_comes_twice_has_two_labels_by_the_hour_and_one_by_the_hour_of_day() -> None:
    first, second = ms("2026-10-25T02:00+02:00"), ms("2026-10-25T02:00+01:00")
    assert second - first == HOUR_MS
    assert label_of(first, "hour", BERLIN, 0) != label_of(second, "hour", BERLIN, 0)
    assert {label_of(each, "hour_of_day", BERLIN, 0) for each in (first, second)} == {"02:00"}


def test_rows_are_summed_by_label_and_place() -> None:
    start = ms("2026-11-23T23:00+08:00")
    rows = [
        HourCount("c", "gate", place, start + n * HOUR_MS, entries=n + 1)
        for n in range(3)
        for place in ("east", "west", "old")
    ]
    labels = labels_between(start, start + 3 * HOUR_MS, "day", SHANGHAI, 0)
    assert labels == ["2026-11-23", "2026-11-24"]
    cells = tabled(rows, labels, ["west", "east"], lambda at: label_of(at, "day", SHANGHAI, 0), lambda row: row.entries)
    assert cells.tolist() == [[1, 1], [5, 5]]


def test_weekdays_are_listed_from_monday() -> None:
    start = ms("2026-11-22T00:00+08:00")  # a Sunday
    assert labels_between(start, start + 3 * 24 * HOUR_MS, "weekday", SHANGHAI, 0) == ["1", "2", "7"]


def test_moments_are_read_in_utc() -> None:
    assert label_of(0, "hour", ZoneInfo("UTC"), 0) == datetime(1970, 1, 1, tzinfo=UTC).isoformat(timespec="minutes")
