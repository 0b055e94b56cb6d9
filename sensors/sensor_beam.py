"""A light barrier or turnstile: lines of text become counts. Two beams tell the direction by their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sensors.config_lines import Beam, BeamConfig, LinePattern
from sensors.desk import Desk
from sensors.gate_line import Direction
from sensors.line_source import each_line

MOST_AT_ONCE = 10_000
FIRST: dict[Beam, Direction] = {"outer": "in", "inner": "out"}
"""Which way somebody goes who cuts this beam first."""


class TwoBeams:
    """Somebody who cuts one beam and then the other within a time went through; who turns round did not."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._first: tuple[Beam, float] | None = None

    def cut(self, beam: Beam, at_s: float) -> Direction | None:
        first, self._first = self._first, (beam, at_s)
        if first is None or first[0] == beam or at_s - first[1] > self._within_s:
            return None
        self._first = None
        return FIRST[first[0]]


class BeamSensor:
    """One gate. ``now_s`` is the steady clock."""

    def __init__(self, config: BeamConfig, now_s: Callable[[], float] = time.monotonic) -> None:
        self._config, self._now_s = config, now_s
        self._beams = TwoBeams(config.within_s)
        self._last_s: dict[LinePattern, float] = {}

    def run(self, desk: Desk, stop: threading.Event) -> None:
        each_line(self._config.source, desk, stop, lambda line: self.take(desk, line))

    def take(self, desk: Desk, line: str | None) -> None:
        """Count what a line means; of several patterns the first that matches."""
        for pattern in self._config.patterns:
            found = pattern.match.search(line) if line else None
            if found is None:
                continue
            if self._bounces(pattern):
                return
            n = int(found["n"]) if "n" in found.groupdict() and found["n"] else 1
            direction = pattern.direction or (self._beams.cut(pattern.beam, self._now_s()) if pattern.beam else None)
            if direction and 0 < n <= MOST_AT_ONCE:
                desk.count(self._config.gate, direction, n)
            return

    def _bounces(self, pattern: LinePattern) -> bool:
        """A contact that chatters says the same again at once; each further one within the time prolongs it."""
        now_s = self._now_s()
        before_s = self._last_s.get(pattern)
        self._last_s[pattern] = now_s
        return before_s is not None and now_s - before_s < self._config.debounce_s
