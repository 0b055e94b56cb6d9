"""What every sensor with a camera shares: opening, pacing recorded footage, coming back after the camera went away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from sensors import faults
from sensors.desk import Again, Desk
from sensors.frames import CameraTrouble, Frame, Source, open_source

if TYPE_CHECKING:
    from sensors.picture_health import PictureHealth

HEALTH_S = 1.0


class Watch:
    """Pictures of one source with their wall time, for as long as the sensor runs."""

    def __init__(self, source: str, fps: float, pace: Literal["real", "fast"], repeat: bool) -> None:
        self._name, self._fps, self._pace, self._repeat = source, fps, pace, repeat
        self._health: PictureHealth | None = None
        """Kept when the camera comes back: it may have been turned while it was away."""

    def each(self, desk: Desk, stop: threading.Event, begin: Callable[[], Callable[[Frame, int], None]]) -> None:
        """Call what ``begin`` gives with (frame, at_ms) for every picture. ``begin`` is called for each new start."""
        again = Again(stop)
        while not stop.is_set():
            source: Source | None = None
            try:
                source = open_source(self._name)
                take = begin()
                for frame, at_ms in self._timed(source, desk, stop):
                    desk.fault(faults.CAMERA_LOST, on=False)
                    again.went_well()
                    take(frame, at_ms)
            except CameraTrouble as error:
                self._tell(desk, error)
            if source is not None and not source.live and not self._repeat:
                return
            again.wait()

    def _tell(self, desk: Desk, error: CameraTrouble) -> None:
        import logging

        logging.getLogger("sensors").error("%s", error)
        desk.fault(faults.CAMERA_LOST)

    def _timed(self, source: Source, desk: Desk, stop: threading.Event) -> Iterator[tuple[Frame, int]]:
        """Pictures with the UTC time they stand for. Recorded footage plays as if a camera saw it now (pace "real"),
        or as if it had just ended ("fast"), so that no report lies in the future."""
        begun_s = time.monotonic()
        if not source.live and self._pace == "fast":
            begun_s -= getattr(source, "seconds", 0.0)
        health = self._judge_of(source.live)
        looked_s: float | None = None
        for frame in source.frames(self._fps):
            if stop.is_set():
                return
            if not source.live and self._pace == "real":
                stop.wait(max(0.0, begun_s + frame.t_s - time.monotonic()))
            if source.live and looked_s is None:
                begun_s = time.monotonic() - frame.t_s  # a camera took its time to answer
            if looked_s is None or frame.t_s - looked_s >= HEALTH_S:
                looked_s = frame.t_s
                self._judge(desk, health.wrong(frame.picture, frame.t_s))
            yield frame, desk.moment(begun_s + frame.t_s)

    def _judge_of(self, live: bool) -> PictureHealth:
        from sensors.picture_health import PictureHealth

        self._health = self._health or PictureHealth(live)
        return self._health

    def _judge(self, desk: Desk, wrong: frozenset[str]) -> None:
        for name in (faults.CAMERA_DARK, faults.CAMERA_FROZEN, faults.CAMERA_MOVED):
            desk.fault(name, name in wrong)
