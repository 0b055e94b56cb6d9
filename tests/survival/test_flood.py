"""A day offline, then everything at once and several times: exact rows.

How long live reports wait meanwhile is measured by `python -m tests.bench.flood`.
"""

from __future__ import annotations

import random

import pytest

from community_flow.settings import Settings
from community_flow.wiring.core import build_core
from community_flow.wiring.flow import flow_parts
from tests.bench.flood import run


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ("sqlite", 2_000),
        pytest.param("sqlite", 100_000, marks=pytest.mark.slow),
        pytest.param("postgresql", 100_000, marks=pytest.mark.slow),
    ],
    indirect=["settings"],
)
def test_every_late_report_is_kept_once(settings: Settings, count: int, seed: int) -> None:
    times = random.Random(seed).randint(3, 4 if count < 100_000 else 10)
    found = run(settings, count, times, quiet_s=1, seed=seed)
    live = f"live p99 {found.quiet_ms:.0f} ms without, {found.during_ms:.0f} ms in the flood"
    print(f"{found.count} reports {times} times over in {found.took_s:.1f} s; {live}")
    assert found.rows == found.expected
    assert found.in_tray == 0
    core = build_core(settings)
    try:
        assert flow_parts(core).flow.check("garden") == []
    finally:
        core.db.close()
