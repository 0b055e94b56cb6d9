"""Whether the server's clock is believed: the rule as a table, and the clock that does not follow a jump."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from community_flow.adapters.clock import SteadyClock, synchronised
from community_flow.domain.server_clock import EARLIEST_MS, Evidence, Reading, judge

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = EARLIEST_MS + 300 * DAY
RIGHT = Reading(NOW, 0)


def seen(**changed: Any) -> Evidence:
    given: dict[str, Any] = {
        "wall_ms": NOW, "expected_ms": NOW, "running": False, "synchronised": False, "readings": (),
    }  # fmt: skip
    return Evidence(**(given | changed))


@pytest.mark.parametrize(
    ("evidence", "trouble", "off_ms"),
    [
        (seen(expected_ms=None), None, 0),  # a new installation has nothing to hold it against
        (seen(expected_ms=None, wall_ms=1000), "behind", 1000 - EARLIEST_MS),  # 1970: the battery is empty
        (seen(wall_ms=946_684_800_000), "behind", 946_684_800_000 - NOW),  # 2000: another kind of board
        (seen(wall_ms=1000, synchronised=True), "behind", 1000 - NOW),  # no source makes 1970 true
        (seen(expected_ms=NOW - 20 * HOUR), None, 0),  # off since yesterday
        (seen(expected_ms=NOW - 25 * HOUR), "ahead", 25 * HOUR),  # off for long, or ahead: nobody can tell
        (seen(expected_ms=NOW - 365 * DAY), "ahead", 365 * DAY),
        (seen(expected_ms=NOW - 365 * DAY, synchronised=True), None, 0),  # NTP knows: the server was off for a year
        (seen(expected_ms=NOW - 3 * DAY, readings=(RIGHT,)), None, 0),  # the first phone shows the same time
        (seen(expected_ms=NOW - 365 * DAY, readings=(Reading(NOW - 365 * DAY, 0),)), "ahead", 365 * DAY),
        (seen(expected_ms=NOW + 5 * MINUTE), None, 0),
        (seen(expected_ms=NOW + 6 * MINUTE), "behind", -6 * MINUTE),
        (seen(expected_ms=NOW + 6 * MINUTE, readings=(RIGHT,)), None, 0),  # it was ahead before, and was put right
        (seen(expected_ms=NOW - 6 * MINUTE, running=True), "jumped", 6 * MINUTE),
        (seen(expected_ms=NOW + 2 * HOUR, running=True), "jumped", -2 * HOUR),
        (seen(expected_ms=NOW - 2 * HOUR, running=True, synchronised=True), None, 0),  # NTP stepped it
        (seen(expected_ms=NOW - 5 * MINUTE, running=True), None, 0),
    ],
)  # fmt: skip
def test_the_clock_is_believed_when_it_goes_on_or_somebody_says_the_same(
    evidence: Evidence, trouble: str | None, off_ms: int
) -> None:
    found = judge(evidence)
    assert (found.trouble, found.off_ms) == (trouble, off_ms)


def skewed(*minutes: float) -> list[Reading]:
    return [Reading(NOW + int(each * MINUTE), int(each * MINUTE)) for each in minutes]


@pytest.mark.parametrize(
    ("readings", "trouble"),
    [
        (skewed(120, 120), "disagrees"),  # the server is two hours behind
        (skewed(-60, -60.5, -59.5, 0.1), "disagrees"),  # three of four
        (skewed(120), None),  # one alone: its own clock may be wrong
        (skewed(120, 60), None),  # both are wrong, each in its way
        (skewed(120, 120, 0, 0), None),  # as many say that it is right
        (skewed(4, 4, 4), None),  # within what the wire takes away without a word
    ],
)
def test_devices_that_all_differ_alike_mean_the_server(readings: list[Reading], trouble: str | None) -> None:
    assert judge(seen(readings=readings)).trouble == trouble
    assert judge(seen(readings=readings, synchronised=True)).trouble is None


@dataclass
class Machine:
    """A machine whose clock can be set."""

    wall: int = NOW
    elapsed: int = 5_000

    def passes(self, ms: int) -> None:
        self.wall, self.elapsed = self.wall + ms, self.elapsed + ms

    def clock(self) -> SteadyClock:
        return SteadyClock(lambda: self.wall, lambda: self.elapsed)


def test_a_jump_is_not_followed_until_it_is_believed() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(MINUTE)
    machine.wall += 365 * DAY
    assert clock.now_ms() == NOW + MINUTE
    machine.passes(MINUTE)
    assert clock.now_ms() == NOW + 2 * MINUTE
    clock.believe()
    assert clock.now_ms() == machine.wall


def test_small_steps_are_followed_and_add_up() -> None:
    machine = Machine()
    clock = machine.clock()
    for _ in range(10):
        machine.passes(HOUR)
        machine.wall -= 4 * MINUTE  # NTP corrects a bad oscillator again and again
        assert clock.now_ms() == machine.wall


def test_a_jump_that_is_taken_back_was_none() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall -= 3 * HOUR
    assert clock.now_ms() == NOW
    machine.wall += 3 * HOUR
    machine.passes(MINUTE)
    assert clock.now_ms() == machine.wall == NOW + MINUTE


def test_sleep_is_no_jump() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(14 * HOUR)  # the counter goes on while the machine sleeps
    assert clock.now_ms() == machine.wall


def test_a_held_clock_counts_on_from_what_it_was_told() -> None:
    machine = Machine(wall=1_000)
    clock = machine.clock()
    clock.hold(NOW)
    machine.passes(MINUTE)
    assert clock.now_ms() == NOW + MINUTE
    machine.wall = NOW + DAY
    assert clock.now_ms() == NOW + MINUTE  # until it is told
    clock.believe()
    assert clock.now_ms() == NOW + DAY


def test_the_kernel_can_be_asked() -> None:
    assert synchronised() in (True, False)
