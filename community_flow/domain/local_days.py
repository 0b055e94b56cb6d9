"""Local days and minutes of a community as plain numbers, quick enough for every passage of two months."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class LocalDays:
    """Days are numbered from 1970-01-01 of the local calendar and begin at the cut-off hour."""

    def __init__(self, timezone: str, cutoff_hour: int) -> None:
        self.zone = ZoneInfo(timezone)
        self.cutoff_ms = cutoff_hour * HOUR_MS
        self._offsets: dict[int, int] = {}

    def day(self, t_ms: int) -> int:
        return (t_ms + self._offset(t_ms) - self.cutoff_ms) // DAY_MS

    def minute(self, t_ms: int) -> int:
        """0..1439 of the local clock."""
        return (t_ms + self._offset(t_ms)) // 60_000 % 1440

    def start_ms(self, day: int) -> int:
        """When a day begins; of two such moments (clocks set back) the first."""
        local_ms = day * DAY_MS + self.cutoff_ms
        guess = local_ms - self._offset(local_ms - DAY_MS // 2)
        return local_ms - self._offset(guess)

    def _offset(self, t_ms: int) -> int:
        # Clocks change at full hours, so one look-up serves an hour.
        hour = t_ms // HOUR_MS
        if hour not in self._offsets:
            offset = datetime.fromtimestamp(hour * 3600, self.zone).utcoffset()
            self._offsets[hour] = int(offset.total_seconds() * 1000) if offset else 0
        return self._offsets[hour]
