"""Keeps anomalies in step with the fold: exact rules soon after a change, behaviour once an hour."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from community_flow.services.review import Review

log = structlog.get_logger()

REST_S = 2.0
"""Rules read a week: after each look the thread rests, so that a busy gate does not keep it reading."""
RESTS = 10
"""The same in looks, where one takes long."""
BEHAVIOUR_EVERY_S = 3600.0
FIRST_BEHAVIOUR_S = 30.0


class Watch:
    """One thread; `changed` may be called from any other."""

    def __init__(self, review: Review, communities: Callable[[], list[str]], quiet: Callable[[], bool]) -> None:
        self.review, self.communities, self.quiet = review, communities, quiet
        self._since_ms: dict[str, int] = {}
        self._lock = threading.Lock()
        self._woken = threading.Event()

    def changed(self, community: str, from_ms: int) -> None:
        """Something at ``from_ms`` or later was derived anew."""
        with self._lock:
            self._since_ms[community] = min(from_ms, self._since_ms.get(community, from_ms))
        self._woken.set()

    def start(self) -> None:
        threading.Thread(target=self._run, name="review", daemon=True).start()

    def step(self) -> None:
        """Look at everything that changed."""
        with self._lock:
            waiting, self._since_ms = self._since_ms, {}
        for community, from_ms in sorted(waiting.items()):
            self.review.examine(community, from_ms)

    def _run(self) -> None:
        rank_at = time.monotonic() + FIRST_BEHAVIOUR_S
        while True:
            self._woken.wait(5.0)
            self._woken.clear()
            begun_s = time.monotonic()
            try:
                self.step()
                if time.monotonic() >= rank_at and self.quiet():
                    rank_at = time.monotonic() + BEHAVIOUR_EVERY_S
                    for community in self.communities():
                        self.review.rank_behaviour(community)
            except Exception:  # the thread's outermost loop: one bad look must not end all later ones
                log.exception("review failed")
            time.sleep(max(REST_S, RESTS * (time.monotonic() - begun_s)))
