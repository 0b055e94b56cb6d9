"""What somebody is told of without looking: a few kinds only, each thing once, nothing old, never a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from community_flow.domain.anomalies import Anomaly
from community_flow.domain.conflicts import Conflict
from community_flow.domain.passages import Triple

HOUR_MS = 3_600_000
FRESH_MS = 6 * HOUR_MS
"""What a gate tells after a day offline is in the inbox; nobody is rung for it."""
BUNDLE_MS = 10 * 60_000
"""Of one kind in one community there is one message in this time; what comes meanwhile goes into the next."""
GIVE_UP_MS = 3 * 24 * HOUR_MS
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 30_000, HOUR_MS

TITLES = {
    "impossible_travel": {"en": "Impossible travel", "zh": "不可能的行程"},
    "relayed_code": {"en": "One code at two gates", "zh": "同一动态码在两处出示"},
    "hold_broken": {"en": "A person on hold passed", "zh": "管控人员通行"},
    "silent_resident": {"en": "A resident living alone is silent", "zh": "独居居民无动静"},
    "device_silent": {"en": "A device is silent", "zh": "设备失联"},
    "device_back": {"en": "A device is back", "zh": "设备已恢复"},
    "clock_wrong": {"en": "The server's clock is in doubt", "zh": "服务器时钟有疑问"},
    "clock_right": {"en": "The server's clock is right again", "zh": "服务器时钟已恢复"},
    "tray_grows": {"en": "The tray grows", "zh": "待处理上报积压"},
    "disk_low": {"en": "The disk is nearly full", "zh": "磁盘快满"},
    "test": {"en": "A test message", "zh": "测试消息"},
}
"""Every kind of notice. A single double entry is evidence, not a reason to ring somebody."""

FOLDED = ("impossible_travel", "relayed_code")
REVIEWED = ("hold_broken", "silent_resident")
TRAY_STEPS = (100, 1_000, 10_000, 100_000)


@dataclass(frozen=True)
class Notice:
    """``keys`` are what it is known by: a thing of which any key was told before is not told again."""

    kind: str
    community: str | None
    gate: str | None
    at_ms: int
    path: str
    keys: tuple[str, ...]


def of_conflict(found: Conflict, community: str) -> Notice:
    """A conflict by its scans: a late report gives it another id, but not other scans."""
    gate = found.detail["gates"][-1]  # where it came to light
    return Notice(found.kind, community, gate, found.at_ms, "/anomalies", _keys(found.kind, community, found.evidence))


def of_anomaly(found: Anomaly) -> Notice:
    keys = _keys(found.kind, found.community, found.evidence) or (f"{found.kind}|{found.community}|{found.id}",)
    return Notice(found.kind, found.community, found.gate, found.to_ms, f"/anomalies#{found.id}", keys)


def _keys(kind: str, community: str, evidence: Sequence[Triple]) -> tuple[str, ...]:
    return tuple(sorted({f"{kind}|{community}|{device}:{boot}:{seq}" for device, boot, seq in evidence}))


def tray_step(waiting: int) -> int | None:
    """The highest mark that so many rows have passed."""
    passed = [step for step in TRAY_STEPS if waiting >= step]
    return passed[-1] if passed else None


def pause_ms(tries: int) -> int:
    """How long to wait after the ``tries``-th failure."""
    return int(min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** min(tries - 1, 20)))
