"""What a detector saw of a scene, kept, so that several ways of counting can be asked about the very same boxes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from sensors.boxes import Boxes, Detector
from sensors.counter import Eye, Follower
from sensors.frames import Source
from sensors.gate_line import Crossing, Shape


@dataclass
class Recorded:
    """``sights`` are (t_s, boxes), boxes being None where nothing moved and nobody looked."""

    height: int = 0
    width: int = 0
    sights: list[tuple[float, Boxes | None]] = field(default_factory=list)
    looking_s: float = 0.0
    """Processor time of gate and detector together, without that of drawing or decoding."""


def recorded(source: Source, detector: Detector, shape: Shape, fps: float) -> Recorded:
    """Look at all of ``source`` once."""
    eye, found = Eye(detector, [shape]), Recorded()
    for frame in source.frames(fps):
        begun_s = time.process_time()
        boxes = eye.see(frame)
        found.looking_s += time.process_time() - begun_s
        found.sights.append((frame.t_s, boxes))
        found.height, found.width = eye.shape
    return found


def crossings(of: Recorded, shape: Shape) -> list[Crossing]:
    """Our own tracker and line on what was seen."""
    return list(_followed(of, shape))


def _followed(of: Recorded, shape: Shape) -> Iterator[Crossing]:
    follower = Follower([shape], of.height, of.width)
    for t_s, boxes in of.sights:
        for _, crossing in follower.follow(t_s, boxes)[1]:
            yield crossing
