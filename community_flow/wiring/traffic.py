"""Which twins keep traffic in order: those of this process, or those on Redis when FLOW_REDIS_URL is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from community_flow.adapters.memory_traffic import MemoryLimits, MemoryOnce, MemoryRecentIds, MemorySignals
from community_flow.adapters.prometheus import PrometheusMeter
from community_flow.adapters.sql.signals import PostgresSignals
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.ports.ingest import Limits, Once, RecentIds, Signals
from community_flow.settings import Settings

REPORTS_RATE, REPORTS_BURST = 500, 5_000
"""Bodies (or 16 KiB of one) a second that one device may send: a gate's flood after a day offline passes unhindered."""

FIGURES_FOLDER = "figures"
"""In the data folder: what each process counts for /metrics."""

CODES_RATE, CODES_BURST = 1 / 6, 10


@dataclass(frozen=True)
class Traffic:
    meter: PrometheusMeter
    signals: Signals
    recent: RecentIds
    reports: Limits
    codes: Limits
    once: Once
    # Name -> what is wrong, for /readyz.
    checks: dict[str, Callable[[], str | None]] = field(default_factory=dict)
    # The connection that the twins share; None where they are those of this process.
    redis: Any = None


def build_traffic(settings: Settings, db: SqlDatabase) -> Traffic:
    meter = PrometheusMeter()
    if settings.redis_url is None:
        return Traffic(
            meter,
            MemorySignals() if db.is_sqlite else PostgresSignals(db),
            MemoryRecentIds(),
            MemoryLimits(REPORTS_RATE, REPORTS_BURST),
            MemoryLimits(CODES_RATE, CODES_BURST),
            MemoryOnce(),
        )
    return _on_redis(settings.redis_url, meter)


def _on_redis(url: str, meter: PrometheusMeter) -> Traffic:
    from community_flow.adapters.redis_traffic import RedisLimits, RedisLink, RedisOnce, RedisRecentIds, RedisSignals

    link = RedisLink(url, lambda part: meter.add("twin_down_total", part=part))
    return Traffic(
        meter,
        RedisSignals(link),
        RedisRecentIds(link),
        RedisLimits(link, REPORTS_RATE, REPORTS_BURST),
        RedisLimits(link, CODES_RATE, CODES_BURST),
        RedisOnce(link),
        {"redis": link.ping},
        link,
    )
