"""Subjects on which the fold fails: left alone for a while, so that everybody else's reports go on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

log = logging.getLogger(__name__)

AGAIN_S = 60
MOST = 100
"""With more than so many the fault is no subject's: then the whole community waits and is tried again."""


class Aside:
    """Kept in memory: a process that starts tries them all again, and so does everybody every AGAIN_S."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._until_s: dict[tuple[str, str], float] = {}

    def names(self, community: str) -> frozenset[str]:
        """Subjects of a community that are to be left alone now."""
        now_s = self.seconds()
        self._until_s = {each: until_s for each, until_s in self._until_s.items() if until_s > now_s}
        return frozenset(name for place, name in self._until_s if place == community)

    def add(self, community: str, names: Collection[str], error: BaseException) -> bool:
        """Leave these alone; False when there is no room for more."""
        if len(self._until_s) + len(names) > MOST:
            return False
        self._until_s |= {(community, name): self.seconds() + AGAIN_S for name in names}
        kinds = sorted({name.partition(":")[0].partition("_")[0] for name in names})
        log.error(
            "the fold fails on %s; its reports are kept, the others go on, and it is tried again every %s s",
            ", ".join(kinds), AGAIN_S, exc_info=error,
        )  # fmt: skip
        return True
