"""Hourly counts without persons for the weeks before the reports: what is left when retention has passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from community_flow.demo.movement import Crossing
from community_flow.demo.plan import HOUR_MS, Plan, is_workday
from community_flow.domain.footfall import hour_of
from community_flow.domain.local_days import local_days

AGGREGATE_DAYS = 28


@dataclass(frozen=True, slots=True)
class HourlyCount:
    community: str
    gate: str
    direction: str
    from_ms: int
    n: int


def hourly_before(plan: Plan, crossings: Sequence[Crossing]) -> list[HourlyCount]:
    """Counts of the 28 days before the first report, drawn from the hourly means of the days that follow."""
    if not plan.days:
        return []
    rng = np.random.default_rng(plan.seed)
    means = _means(plan, crossings)
    found: list[HourlyCount] = []
    first = plan.dates[0]
    for back in range(AGGREGATE_DAYS, 0, -1):
        day = first - timedelta(days=back)
        midnight, next_midnight = plan.midnight_ms(day), plan.midnight_ms(day + timedelta(days=1))
        for (community, gate, direction, workday, hour), mean in means.items():
            n = int(rng.poisson(mean)) if workday == is_workday(day) else 0
            if n and midnight + hour * HOUR_MS < next_midnight:  # a spring day has one hour less
                found.append(HourlyCount(community, gate, direction, hour_of(midnight + hour * HOUR_MS), n))
    return found


def _means(plan: Plan, crossings: Sequence[Crossing]) -> dict[tuple[str, str, str, bool, int], float]:
    """Mean passages by community, gate, direction, kind of day and hour; the unfinished last day is left out."""
    whole = {day: is_workday(day) for day in plan.dates[:-1] or plan.dates}
    days, local = Counter(whole.values()), local_days(plan.timezone, 0)
    sums: Counter[tuple[str, str, str, bool, int]] = Counter()
    for crossing in crossings:
        day = local.date(crossing.t_ms)
        if day in whole:
            hour = local.minute(crossing.t_ms) // 60
            key = (crossing.community, crossing.gate, crossing.direction, whole[day], hour)
            sums[key] += len(crossing.bodies)
    return {key: total / days[key[3]] for key, total in sorted(sums.items())}
