"""How a device is. The one rule behind the list, the live page, the count of people inside, `doctor` and metrics."""

from __future__ import annotations

from collections.abc import Sequence

MINUTE_MS = 60_000
LATE_MS = 3 * MINUTE_MS
DOWN_MS = 15 * MINUTE_MS
"""A device tells its status every minute: three missed are late, fifteen are down."""
LEAST_SILENCE_MS, MOST_SILENCE_MS = 5 * MINUTE_MS, 7 * 24 * 60 * MINUTE_MS
SILENCES_MS = {"gate_phone": 60 * MINUTE_MS, "office": MOST_SILENCE_MS}
"""A phone sleeps in a pocket, a desk is left for days; what is not named here is down after DOWN_MS."""
SKEWED_MS = 5 * MINUTE_MS
"""The wire takes any skew away; beyond this a clock is not drifting but wrong."""

WORST_FIRST = ("down", "never", "mismatch", "skewed", "fault", "late", "ok", "revoked")


def state_of(
    last_ms: int | None, now_ms: int, *, skew_ms: int | None = None, mismatch_ms: int | None = None,
    faults: Sequence[str] = (), offline_ms: int | None = None, silence_ms: int = DOWN_MS,
) -> str:  # fmt: skip
    """The worst that can be said of a device that was last heard of at ``last_ms`` (0 or None: never).

    ``silence_ms`` is how long it may be silent (`silence_of`).

    ``offline_ms`` is when its connection to the broker ended: until it is heard again it is down, not only late.
    """
    if not last_ms:
        return "never"
    if offline_ms is not None and offline_ms >= last_ms:
        return "down"
    if now_ms - last_ms > silence_ms:
        return "down"
    if mismatch_ms is not None:
        return "mismatch"
    if abs(skew_ms or 0) > SKEWED_MS:
        return "skewed"
    if faults:
        return "fault"
    return "late" if is_late(last_ms, now_ms) else "ok"


def silence_of(kind: str, own_ms: int | None) -> int:
    """How long a device may be silent before it is down: what was set for it, or what its kind is allowed."""
    return SILENCES_MS.get(kind, DOWN_MS) if own_ms is None else own_ms


def is_late(last_ms: int | None, at_ms: int) -> bool:
    """True when nothing was heard for so long that people may have passed unseen."""
    return at_ms - (last_ms or 0) > LATE_MS
