"""What is to be invented: how many people, for how long, from which seed, until when."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Plan:
    """One demo world. The same plan gives the same world, to the last report."""

    people: int = 1200
    days: int = 21
    seed: int = 7
    until_ms: int = 0
    timezone: str = "Asia/Shanghai"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @cached_property
    def last_day(self) -> date:
        return self.local_day(self.until_ms)

    @cached_property
    def dates(self) -> tuple[date, ...]:
        """Local days with reports, oldest first; the last one ends at ``until_ms``."""
        return tuple(self.last_day - timedelta(days=self.days - 1 - n) for n in range(self.days))

    def midnight_ms(self, day: date) -> int:
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp() * 1000)

    def local_day(self, t_ms: int) -> date:
        return datetime.fromtimestamp(t_ms / 1000, self.zone).date()

    @cached_property
    def from_ms(self) -> int:
        """Midnight that begins the first day with reports."""
        return self.midnight_ms(self.dates[0]) if self.days else self.midnight_ms(self.last_day)

    @property
    def founded_ms(self) -> int:
        """When everything in the registry began to hold: long before the first report."""
        return self.midnight_ms(self.last_day) - 120 * DAY_MS

    def share(self, per_1200: float, least: int = 1) -> int:
        """A number that grows with the community."""
        return max(least, round(per_1200 * self.people / 1200))

    def ident(self, prefix: str, *parts: object) -> str:
        """A stable id of the usual form: prefix and 12 small base32 letters."""
        text = "|".join(map(str, ("demo", self.seed, prefix, *parts)))
        return prefix + base64.b32encode(hashlib.sha256(text.encode()).digest()).decode().lower()[:12]


def is_workday(day: date) -> bool:
    return day.weekday() < 5
