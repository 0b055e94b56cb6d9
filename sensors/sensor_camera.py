"""A camera over one gate or several: every crossing of a line or zone becomes a count of its gate."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from sensors import faults
from sensors.boxes import Detector
from sensors.config import CameraConfig
from sensors.counter import Counter, make_detector
from sensors.desk import Desk
from sensors.frames import Frame
from sensors.gate_line import Direction
from sensors.model import BadModel
from sensors.still import Still
from sensors.watching import Watch

OTHER: dict[Direction, Direction] = {"in": "out", "out": "in"}


class CameraSensor:
    """Counts with YOLOX, or by motion where there is no model that can be used (and says so as a fault).

    Without a line it counts nobody: it looks, so that a line can be drawn.
    """

    def __init__(self, config: CameraConfig) -> None:
        self._config = config
        self.still = Still()

    def run(self, desk: Desk, stop: threading.Event) -> None:
        watch = Watch(self._config.source, self._config.fps, self._config.pace, self._config.repeat)
        watch.each(desk, stop, lambda: self._counting(desk))

    def _counting(self, desk: Desk) -> Callable[[Frame, int], None]:
        overs = self._config.over
        if not overs:
            return lambda frame, at_ms: self.still.offer(frame.picture)
        counter = Counter(self._detector(desk), [over.shape for over in overs])

        def take(frame: Frame, at_ms: int) -> None:
            self.still.offer(frame.picture)
            for at, crossing in counter.look(frame).crossings:
                direction = OTHER[crossing.direction] if overs[at].flip else crossing.direction
                crossed_ms = at_ms - round((frame.t_s - crossing.t_s) * 1000)
                desk.count(overs[at].gate, direction, confidence=crossing.confidence, at_ms=crossed_ms)

        return take

    def _detector(self, desk: Desk) -> Detector:
        try:
            detector = make_detector(self._config.detector, self._config.model and Path(self._config.model))
        except (BadModel, ImportError) as error:
            logging.getLogger("sensors").error("%s", error)
            desk.fault(faults.MODEL_BAD)
            return make_detector("motion", None)
        desk.fault(faults.MODEL_BAD, on=False)
        return detector
