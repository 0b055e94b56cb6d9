"""Days of a community in every kind of zone: no moment belongs to two days or to none, and everybody counts alike."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from community_flow.domain.footfall import day_of, day_start_ms, label_of, labels_between
from community_flow.domain.local_days import EPOCH, HOUR_MS, LocalDays, local_days
from community_flow.domain.places import Community
from community_flow.domain.rulebook import Places
from community_flow.services import live

MINUTE_MS = 60_000
ZONES = (
    "Asia/Shanghai",  # no change of clocks
    "Europe/Berlin",  # at 02:00 and 03:00
    "America/New_York",
    "Asia/Kolkata",  # half an hour off
    "Asia/Kathmandu",  # a quarter off
    "Australia/Lord_Howe",  # changes by half an hour
    "Australia/Adelaide",  # half an hour off, and changes
    "America/St_Johns",  # the same west of Greenwich
    "Pacific/Chatham",  # three quarters off, and changes
    "Africa/Cairo",  # forward at midnight: days without a midnight
    "America/Santiago",  # back at midnight into the day that was over
    "America/Havana",  # an hour after midnight back to midnight
    "Antarctica/Troll",  # changes by two hours
)
CUTOFFS = (0, 1, 2, 3, 4)


def at(text: str, zone: str, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


def changes(zone: str) -> list[int]:
    """Moments of 2026 and 2027 at which the zone changes its clocks, to the minute."""
    found, step = [], 24 * HOUR_MS
    first = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
    for day in range(730):
        lo, hi = first + day * step, first + (day + 1) * step
        if _offset(lo, zone) == _offset(hi, zone):
            continue
        while hi - lo > MINUTE_MS:
            middle = (lo + hi) // 2 // MINUTE_MS * MINUTE_MS
            lo, hi = (middle, hi) if _offset(middle, zone) == _offset(lo, zone) else (lo, middle)
        found.append(hi)
    return found


def _offset(ms: int, zone: str) -> object:
    return datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(zone)).utcoffset()


def _exists(wall: datetime, zone: str) -> bool:
    """False for what the clock skips when it is set forward."""
    return wall.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall.replace(tzinfo=None)


def moments() -> st.SearchStrategy[tuple[str, int, int]]:
    """A zone, a cut-off and a moment, often within hours of a change of clocks."""

    def of(zone: str) -> st.SearchStrategy[tuple[str, int, int]]:
        anywhere = st.integers(1_767_225_600_000, 1_830_297_600_000)
        near = st.builds(lambda when, off: when + off, st.sampled_from(changes(zone) or [1_790_000_000_000]),
                         st.integers(-30 * HOUR_MS, 30 * HOUR_MS))  # fmt: skip
        return st.tuples(st.just(zone), st.sampled_from(CUTOFFS), st.one_of(anywhere, near))

    return st.sampled_from(ZONES).flatmap(of)


@given(moments())
def test_every_moment_lies_in_one_day_and_everybody_says_which(found: tuple[str, int, int]) -> None:
    zone, cutoff, t_ms = found
    days = local_days(zone, cutoff)
    day = days.day(t_ms)
    assert days.start_ms(day) <= t_ms < days.start_ms(day + 1)
    assert day_of(t_ms, ZoneInfo(zone), cutoff) == days.date(t_ms)
    assert day_start_ms(days.date(t_ms), ZoneInfo(zone), cutoff) == days.start_ms(day)
    places = Places({}, {}, ZoneInfo(zone), cutoff, frozenset(), frozenset())
    assert places.day(t_ms) == days.date(t_ms).toordinal()
    assert places.day_span_ms(places.day(t_ms)) == (days.start_ms(day), days.start_ms(day + 1))
    community = Community(names={"en": "C"}, area="a", timezone=zone, cutoff_hour=cutoff)
    assert live.day_start_ms(community, t_ms) == days.start_ms(day)


@given(moments())
def test_minutes_are_those_of_the_clock_on_the_wall(found: tuple[str, int, int]) -> None:
    zone, cutoff, t_ms = found
    wall = datetime.fromtimestamp(t_ms // 1000, UTC).astimezone(ZoneInfo(zone))
    assert local_days(zone, cutoff).minute(t_ms) == wall.hour * 60 + wall.minute


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cutoff", [0, 2, 4])
def test_days_follow_one_another_and_begin_at_the_cutoff(zone: str, cutoff: int) -> None:
    days = LocalDays(zone, cutoff)
    first = (date(2026, 1, 1) - EPOCH).days
    starts = [days.start_ms(first + number) for number in range(731)]
    lengths = {(after - before) / HOUR_MS for before, after in itertools.pairwise(starts)}
    assert lengths <= {22, 23, 23.5, 24, 24.5, 25, 26}
    for number, start in enumerate(starts):
        wall = datetime.fromtimestamp(start / 1000, UTC).astimezone(ZoneInfo(zone))
        assert wall.hour == cutoff or not _exists(wall.replace(hour=cutoff, minute=0), zone)
        assert days.day(start) == first + number
        assert days.day(start - 1) == first + number - 1


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Asia/Kolkata", "2026-03-29", 24),
    ],
)
def test_a_day_has_the_hours_that_it_has(zone: str, day: str, hours: float) -> None:
    days = local_days(zone, 0)
    number = (date.fromisoformat(day) - EPOCH).days
    assert (days.start_ms(number + 1) - days.start_ms(number)) / HOUR_MS == hours


def test_the_hour_that_comes_twice_stays_in_its_day() -> None:
    """02:30 for the second time: the live page's day did not begin again at the second 02:00."""
    berlin = Community(names={"en": "B"}, area="a", timezone="Europe/Berlin", cutoff_hour=2)
    first, second = at("2026-10-25T02:30", "Europe/Berlin"), at("2026-10-25T02:30", "Europe/Berlin", fold=1)
    begun = at("2026-10-25T02:00", "Europe/Berlin")
    assert live.day_start_ms(berlin, first) == live.day_start_ms(berlin, second) == begun


def test_half_an_hour_after_the_change_counts_by_the_new_clock() -> None:
    """Adelaide changes at 16:30 UTC: a look-up by full hours took the old offset for half an hour more."""
    change = at("2026-10-04T03:00", "Australia/Adelaide")
    assert change % HOUR_MS == HOUR_MS // 2
    assert local_days("Australia/Adelaide", 0).minute(change) == 180
    assert local_days("Australia/Adelaide", 0).minute(change - MINUTE_MS) == 119


def test_a_day_without_a_midnight_begins_when_the_clock_goes_on() -> None:
    """Cairo goes from 23:59 to 01:00 on a spring night."""
    spring = (at("2026-04-01T00:00", "Africa/Cairo"), at("2026-05-31T00:00", "Africa/Cairo"))
    (gap,) = (each for each in changes("Africa/Cairo") if spring[0] < each < spring[1])
    days = local_days("Africa/Cairo", 0)
    assert days.start_ms(days.day(gap)) == gap
    assert days.day(gap - 1) == days.day(gap) - 1


def test_the_week_before_ran_as_far_as_today() -> None:
    """A week later there were 168 hours less one: the comparison keeps to the clock on the wall."""
    berlin = Community(names={"en": "B"}, area="a", timezone="Europe/Berlin", cutoff_hour=0)
    now_ms, noon = at("2026-03-31T12:00", "Europe/Berlin"), at("2026-03-24T12:00", "Europe/Berlin")
    assert live.week_before(berlin, now_ms) == (at("2026-03-24T00:00", "Europe/Berlin"), noon)


@pytest.mark.parametrize(
    ("zone", "hour", "label"),
    [
        ("Asia/Shanghai", "2026-11-24T00:00+00:00", "08:00"),
        ("Asia/Kolkata", "2026-11-24T00:00+00:00", "05:30"),  # the hour from half past five, and it says so
        ("Asia/Kathmandu", "2026-11-24T00:00+00:00", "05:45"),
        ("Australia/Lord_Howe", "2026-07-01T00:00+00:00", "10:30"),
        ("Australia/Lord_Howe", "2026-12-01T00:00+00:00", "11:00"),
    ],
)
def test_an_hour_of_the_day_is_named_by_its_beginning(zone: str, hour: str, label: str) -> None:
    hour_ms = int(datetime.fromisoformat(hour).timestamp() * 1000)
    assert label_of(hour_ms, "hour_of_day", ZoneInfo(zone), 0) == label


@pytest.mark.parametrize("zone", ZONES)
def test_hours_of_a_window_have_names_of_their_own(zone: str) -> None:
    """Also the hour that comes twice: no two hours of a year share a row."""
    for change in changes(zone) or [1_795_420_800_000]:
        from_ms = (change - 36 * HOUR_MS) // HOUR_MS * HOUR_MS
        labels = labels_between(from_ms, from_ms + 72 * HOUR_MS, "hour", ZoneInfo(zone), 0)
        assert len(labels) == 72


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cutoff", [0, 4])
def test_full_hours_of_statistics_fill_the_days_without_gap_or_overlap(zone: str, cutoff: int) -> None:
    """Counts are kept by UTC hours: the first that begins in a day opens it, also where days begin at half past."""
    days = local_days(zone, cutoff)
    for change in changes(zone) or [1_795_420_800_000]:
        middle = days.day(change)
        for day in range(middle - 2, middle + 3):
            first = -(-days.start_ms(day) // HOUR_MS) * HOUR_MS  # as services/statistics.py opens a window
            name = (EPOCH + timedelta(days=day)).isoformat()
            before = (EPOCH + timedelta(days=day - 1)).isoformat()
            assert label_of(first, "day", ZoneInfo(zone), cutoff) == name
            assert label_of(first - HOUR_MS, "day", ZoneInfo(zone), cutoff) == before
