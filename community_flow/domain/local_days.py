"""The community's day: the one rule behind statistics, quotas, behaviour, retention and the live page.

A day begins when the wall clock reaches the cut-off hour and ends when the next one begins, so it has 23, 24 or 25
hours (23.5 and 24.5 on Lord Howe), and a clock that is set back never leads into yesterday.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
QUARTER_MS = HOUR_MS // 4
"""Zones change their clocks at quarters of an hour of UTC: where the offset is a half, not at full hours."""

EPOCH = date(1970, 1, 1)


class LocalDays:
    """Days are numbered from 1970-01-01 of the local calendar; as plain numbers, quick enough for every passage."""

    def __init__(self, timezone: str, cutoff_hour: int) -> None:
        self.zone = ZoneInfo(timezone)
        self.cutoff_hour = cutoff_hour
        self._offsets: dict[int, int] = {}
        self._starts: dict[int, int] = {}

    def day(self, t_ms: int) -> int:
        """The day that a moment belongs to."""
        # By the wall clock; beside a change of clocks that may be a day off, and the days' own beginnings decide.
        guess = (t_ms + self._offset(t_ms) - self.cutoff_hour * HOUR_MS) // DAY_MS
        if t_ms < self.start_ms(guess):
            return guess - 1
        return guess + 1 if t_ms >= self.start_ms(guess + 1) else guess

    def minute(self, t_ms: int) -> int:
        """0..1439 of the local clock."""
        return (t_ms + self._offset(t_ms)) // 60_000 % 1440

    def start_ms(self, day: int) -> int:
        """When a day begins; of two such moments (clocks set back) the first; of none (set forward) by the old one."""
        if day not in self._starts:
            local = datetime.combine(EPOCH + timedelta(days=day), datetime.min.time(), self.zone)
            self._starts[day] = int(local.replace(hour=self.cutoff_hour).timestamp()) * 1000
        return self._starts[day]

    def date(self, t_ms: int) -> date:
        return EPOCH + timedelta(days=self.day(t_ms))

    def _offset(self, t_ms: int) -> int:
        quarter = t_ms // QUARTER_MS
        if quarter not in self._offsets:
            offset = datetime.fromtimestamp(quarter * 900, UTC).astimezone(self.zone).utcoffset()
            self._offsets[quarter] = int(offset.total_seconds() * 1000) if offset else 0
        return self._offsets[quarter]


@lru_cache(maxsize=256)
def local_days(timezone: str, cutoff_hour: int) -> LocalDays:
    """One for each zone and cut-off: what it has looked up once serves everybody."""
    return LocalDays(timezone, cutoff_hour)
