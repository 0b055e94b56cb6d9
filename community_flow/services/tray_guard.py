"""A limit on what one device may put into the tray: a hostile or broken one must not fill the disk.

Far above what an honest device can need (a gate that nobody registered counts for weeks below it). Above it the device
is refused as a whole and keeps its reports, until a person has mended or dismissed some, or revoked it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

from community_flow.domain.errors import FlowError, TooMany
from community_flow.ports import Clock
from community_flow.ports.ingest import Committer, Kept, Meter, Submission

MOST_OPEN = 200_000
RECOUNT_EVERY = 1_000
RECOUNT_MS = 60_000
RETRY_S = 600


class TrayGuard:
    """A committer before the real one. ``count_open(device, most)`` asks the store."""

    def __init__(
        self, inner: Committer, count_open: Callable[[str, int], int], meter: Meter, clock: Clock,
        most: int = MOST_OPEN, recount_every: int = RECOUNT_EVERY,
    ) -> None:  # fmt: skip
        self.inner, self.count_open, self.meter, self.clock = inner, count_open, meter, clock
        self.most, self.recount_every = most, recount_every
        self._new: dict[str, int] = {}
        self._full: dict[str, int] = {}
        self._lock = threading.Lock()

    def commit(self, submissions: Sequence[Submission]) -> list[Kept | FlowError]:
        """As the inner one; TooMany for a device whose rows fill the tray."""
        refused = self._refused({each.device for each in submissions}) if self._full else {}
        kept = iter(self.inner.commit([each for each in submissions if each.device not in refused]))
        answers = [refused[each.device] if each.device in refused else next(kept) for each in submissions]
        for each, found in zip(submissions, answers, strict=True):
            if isinstance(found, Kept):
                self._note(each.device, found)
        return answers

    def _note(self, device: str, kept: Kept) -> None:
        laid = kept.tally.get("rejected", 0) + kept.tally.get("conflict", 0)
        laid += [each.reason for each in kept.outcomes].count("held")
        if not laid:
            return
        with self._lock:
            self._new[device] = self._new.get(device, 0) + laid
            if self._new[device] < self.recount_every:
                return
            self._new[device] = 0
        self._recount(device)

    def _recount(self, device: str) -> None:
        if self.count_open(device, self.most) >= self.most:
            self._full[device] = self.clock.now_ms()
        else:
            self._full.pop(device, None)

    def _refused(self, devices: Iterable[str]) -> dict[str, TooMany]:
        """Those whose rows fill the tray, and what they are told."""
        for device in devices:
            full_ms = self._full.get(device)
            if full_ms is not None and self.clock.now_ms() - full_ms >= RECOUNT_MS:
                self._recount(device)
        refused = [device for device in devices if device in self._full]
        for _ in refused:
            self.meter.add("refused_total", cause="tray_full")
        return dict.fromkeys(
            refused,
            TooMany(
                "The tray is full of what this device sent: somebody must look at it on the page Inbox first.",
                retry_s=RETRY_S,
            ),
        )
