"""The live page's arithmetic: the day, the levels worked back from now, which sensors can be believed."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from community_flow.domain.device_state import DOWN_MS, LATE_MS
from community_flow.domain.places import Community
from community_flow.ports.live import DeviceSeen, FlowCell
from community_flow.services.live import STEP_MS, day_start_ms, device_state, series

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("cutoff_hour", "now", "start"),
    [
        (0, "2026-11-23T00:00:00", "2026-11-23T00:00:00"),  # the first moment of a day belongs to it
        (0, "2026-11-23T23:59:59", "2026-11-23T00:00:00"),
        (4, "2026-11-23T03:59:00", "2026-11-22T04:00:00"),  # before the cut-off it is still yesterday
        (4, "2026-11-23T04:00:00", "2026-11-23T04:00:00"),
    ],
)
def test_the_day_begins_at_the_cut_off_hour(cutoff_hour: int, now: str, start: str) -> None:
    community = Community(names={"zh": "花园"}, area="a", cutoff_hour=cutoff_hour)
    assert day_start_ms(community, at(now)) == at(start)


def test_the_day_follows_the_clock_change() -> None:
    """On the day that summer time ends, midnight is 25 hours before the next one."""
    berlin = ZoneInfo("Europe/Berlin")
    community = Community(names={"en": "Garden"}, area="a", timezone="Europe/Berlin")
    assert day_start_ms(community, at("2026-10-25T23:30:00", berlin)) == at("2026-10-25T00:00:00", berlin)


@pytest.mark.parametrize(
    ("silent_ms", "faults", "state"),
    [
        (0, (), "ok"),
        (LATE_MS, (), "ok"),
        (LATE_MS + 1, (), "late"),
        (DOWN_MS + 1, (), "down"),
        (0, ("camera covered",), "fault"),
        (LATE_MS + 1, ("camera covered",), "fault"),  # as in the list of devices
        (DOWN_MS + 1, ("camera covered",), "down"),  # silence says more than an old fault
    ],
)
def test_silence_makes_a_device_late_then_down(silent_ms: int, faults: tuple[str, ...], state: str) -> None:
    now_ms = 1_000_000_000
    assert device_state(DeviceSeen("d", now_ms - silent_ms, None, None, faults), now_ms) == state


def test_a_device_never_heard_of_is_not_called_down() -> None:
    assert device_state(None, 0) == "never"


def test_flow_counts_border_gates_only() -> None:
    cells = [FlowCell("east", "in", 0, 3), FlowCell("east", "out", 0, 1), FlowCell("clinic-door", "in", 0, 9)]
    made = series(cells, {"east"}, {}, 10, 0, STEP_MS - 1)
    assert (made.entries, made.exits, made.inside) == ((3,), (1,), (10,))


@given(st.lists(st.integers(-5, 20), min_size=1, max_size=60), st.integers(0, 50))
def test_levels_worked_back_reach_the_count_now(changes: list[int], before: int) -> None:
    """Where the count never falls below zero, the levels are the running sum."""
    levels, level = [], before
    for change in changes:
        level += change
        levels.append(level)
    by_slot = {place * STEP_MS: change for place, change in enumerate(changes)}
    made = series([], set(), by_slot, levels[-1], 0, (len(changes) - 1) * STEP_MS)
    assert made.inside == tuple(max(0, each) for each in levels)
    assert made.slots_ms == tuple(range(0, len(changes) * STEP_MS, STEP_MS))
