"""Whether the server's own clock can be believed: pure rules over what it says and what others say.

A clock that is wrong must not send reports to the tray, delete what is not old, or teach devices a wrong offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from community_flow.domain.passes import EPOCH_S

MINUTE_MS = 60_000
AGREE_MS = 5 * MINUTE_MS
"""Clocks this near to one another are the same time: what a wire skew is flagged beyond, too."""
ABSENCE_MS = 24 * 60 * MINUTE_MS
"""A server that was off for longer says so: it cannot know whether it was off or its clock ran away."""
ALIKE_MS = MINUTE_MS
LEAST_DEVICES = 2
EARLIEST_MS = EPOCH_S * 1000
"""Passes count their seconds from here: no moment before it can be now."""

Trouble = Literal["behind", "ahead", "jumped", "disagrees"]


@dataclass(frozen=True)
class Reading:
    """A device heard just now: its own clock, and how far it says that is ahead of the server's."""

    own_ms: int
    skew_ms: int


@dataclass(frozen=True)
class Evidence:
    """What is known at one look.

    ``expected_ms`` is the last moment that was believed plus the time that surely passed since. When ``running``, the
    machine's steady counter has measured that; after a start, nobody has. None on a new installation.
    """

    wall_ms: int
    expected_ms: int | None
    running: bool
    synchronised: bool
    readings: Sequence[Reading] = ()


@dataclass(frozen=True)
class Judgement:
    """``off_ms`` is how far the machine's clock is ahead of what it should say; None when it is believed."""

    trouble: Trouble | None
    off_ms: int = 0


def judge(seen: Evidence) -> Judgement:
    """The machine's clock is believed when it goes on from where it was, or when somebody else says the same time."""
    floor_ms = max(EARLIEST_MS, seen.expected_ms or 0)
    if seen.wall_ms < EARLIEST_MS:
        return Judgement("behind", seen.wall_ms - floor_ms)
    off_ms = 0 if seen.expected_ms is None else seen.wall_ms - seen.expected_ms
    if _follows(off_ms, seen.running) or _confirmed(seen):
        return _as_devices_say(seen)
    if seen.running:
        return Judgement("jumped", off_ms)
    return Judgement("behind" if off_ms < 0 else "ahead", off_ms)


def _follows(off_ms: int, running: bool) -> bool:
    return -AGREE_MS <= off_ms <= (AGREE_MS if running else ABSENCE_MS)


def _confirmed(seen: Evidence) -> bool:
    """The kernel is synchronised, or the own clock of a device that is heard now shows the same time."""
    return seen.synchronised or any(abs(each.own_ms - seen.wall_ms) <= AGREE_MS for each in seen.readings)


def _as_devices_say(seen: Evidence) -> Judgement:
    """Several devices with one and the same skew: then it is not the devices' clocks that are wrong."""
    if seen.synchronised or len(seen.readings) < LEAST_DEVICES:
        return Judgement(None)
    common = int(median(each.skew_ms for each in seen.readings))
    alike = sum(abs(each.skew_ms - common) <= ALIKE_MS for each in seen.readings)
    if abs(common) > AGREE_MS and alike >= max(LEAST_DEVICES, 2 * len(seen.readings) / 3):
        return Judgement("disagrees", -common)
    return Judgement(None)
