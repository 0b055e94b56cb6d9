"""Wall time of this machine."""

from __future__ import annotations

import time


class SystemClock:
    def now_ms(self) -> int:
        """UTC in milliseconds since 1970."""
        return time.time_ns() // 1_000_000
