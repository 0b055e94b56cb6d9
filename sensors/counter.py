"""Counting people over lines and into zones in a source's pictures: look, detect, track, cross. Never draws."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sensors.boxes import Boxes, Detector
from sensors.frames import Frame, Picture, Source
from sensors.gate_line import Crossing, GateLine, Shape
from sensors.region import Region, Stillness, round_shapes
from sensors.shrink import shrunk
from sensors.track import Track, Tracker

FPS = 10.0
HANGOVER_S = 1.0
"""The detector goes on for so long after the last movement: someone slow is still, between two pictures."""

GLANCE_S = 3.0
"""A still scene is looked at this often all the same."""

MOST_WIDE = 1_920
"""Wider pictures are shrunk first; the detector sees 416 pixels anyway."""


@dataclass(frozen=True)
class Look:
    """What was seen in one frame, for whoever draws or watches: the frame, the tracks, the crossings it completed."""

    frame: Frame
    tracks: Sequence[Track]
    crossings: Sequence[tuple[int, Crossing]]
    """(number of the line or zone, crossing)"""
    size: tuple[int, int] = (0, 0)
    """Height and width that the tracks' boxes are measured in: a wide picture was shrunk first."""


class Eye:
    """Looks where it is worth it and when something moves: the boxes of a picture, or None where nobody looked."""

    def __init__(self, detector: Detector, shapes: Sequence[Shape]) -> None:
        self._detector, self._shapes, self._still = detector, shapes, Stillness()
        self.shape = (0, 0)
        self._region = Region(0, 0, 0, 0)
        self._moved_s = self._looked_s = -math.inf

    def see(self, frame: Frame) -> Boxes | None:
        picture = _within(frame.picture)
        if picture.shape[:2] != self.shape:
            height, width = self.shape = picture.shape[:2]
            self._region = round_shapes(self._shapes, width, height)
        part = self._region.cut(picture)
        if self._moved_s == -math.inf:
            self._moved_s = frame.t_s - HANGOVER_S / 2  # a detector that learns the ground sees some of it first
        if self._still.moved(part):
            self._moved_s = frame.t_s
        if frame.t_s - self._moved_s > HANGOVER_S and frame.t_s - self._looked_s < GLANCE_S:
            return None
        self._looked_s = frame.t_s
        return self._detector.find(part).shifted(self._region.left, self._region.top)


class Follower:
    """Tracks boxes over the lines and zones of one camera: what of `Eye` it is told, it counts. Knows no picture."""

    def __init__(self, shapes: Sequence[Shape], height: int, width: int) -> None:
        self._tracker = Tracker()
        self._gates = [GateLine(each, width, height) for each in shapes]
        self._last_s: float | None = None

    def follow(self, t_s: float, boxes: Boxes | None) -> tuple[Sequence[Track], Sequence[tuple[int, Crossing]]]:
        """The tracks seen at ``t_s`` and the crossings that this completes, with the number of their line or zone."""
        passed_s = t_s - (t_s if self._last_s is None else self._last_s)
        self._last_s = t_s
        if boxes is None:
            self._tracker.rest(passed_s)
            return (), ()
        tracks = self._tracker.update(boxes, t_s)
        crossings = [
            (index, crossing)
            for track in tracks
            for index, gate in enumerate(self._gates)
            for point in _new_points(track)
            if (crossing := gate.update(track.number, *point, track.width, track.score))
        ]
        for gate in self._gates:
            for number in self._tracker.over:
                gate.forget(number)
        return tracks, crossings


class Counter:
    """Counts over the lines and zones of one camera."""

    def __init__(self, detector: Detector, shapes: Sequence[Shape]) -> None:
        self._eye, self._shapes = Eye(detector, shapes), shapes
        self._follower = Follower(shapes, 1, 1)
        self._size = (0, 0)

    def look(self, frame: Frame) -> Look:
        """Take one picture in."""
        boxes = self._eye.see(frame)
        if self._eye.shape != self._size:
            # The first picture, or a camera that was set to another size: what was tracked has no meaning there.
            self._size = self._eye.shape
            self._follower = Follower(self._shapes, *self._size)
        return Look(frame, *self._follower.follow(frame.t_s, boxes), self._size)


def _new_points(track: Track) -> Sequence[tuple[float, float, float]]:
    """Where a track was since the lines last heard of it: all of its way when it has just been confirmed.

    Somebody quick, or seen a few times a second only, is over the line before it is sure that he is somebody.
    """
    return tuple(track.way) if track.fresh else list(track.way)[-1:]


@dataclass(frozen=True)
class Tally:
    """What a whole video came to."""

    crossings: tuple[Crossing, ...]
    frames: int
    cpu_ms_per_frame: float
    shapes: tuple[int, ...] = ()
    """Which line or zone each crossing went over."""

    def total(self, direction: str, shape: int | None = None) -> int:
        """How many went that way, over all or over the line or zone of that number."""
        return sum(
            each.direction == direction and shape in (None, over)
            for each, over in zip(self.crossings, self.shapes, strict=True)
        )


def looks(source: Source, detector: Detector, shapes: Sequence[Shape], fps: float) -> Iterator[Look]:
    """Every picture of ``source``, looked at."""
    counter = Counter(detector, shapes)
    return (counter.look(frame) for frame in source.frames(fps))


def count(
    source: Source,
    detector: Detector,
    shapes: Shape | Sequence[Shape],
    fps: float = FPS,
    most_frames: int | None = None,
    watch: Callable[[Look], None] = lambda look: None,
) -> Tally:
    """Count ``source`` to its end, or to ``most_frames`` looked at."""
    begun_s = time.process_time()
    found: list[tuple[int, Crossing]] = []
    frames = 0
    for look in looks(source, detector, shapes if isinstance(shapes, Sequence) else [shapes], fps):
        frames += 1
        found.extend(look.crossings)
        watch(look)
        if frames == most_frames:
            break
    spent_ms = (time.process_time() - begun_s) * 1000
    return Tally(tuple(each for _, each in found), frames, spent_ms / max(frames, 1), tuple(at for at, _ in found))


def make_detector(kind: str, model: Path | None) -> Detector:
    """``yolox`` (with the model file) or ``motion``."""
    if kind == "yolox":
        from sensors.detect_yolox import YoloxDetector
        from sensors.model import default_path

        return YoloxDetector(model or default_path())
    from sensors.detect_motion import MotionDetector

    return MotionDetector()


def _within(picture: Picture) -> Picture:
    """``picture``, no wider than is of use."""
    if picture.shape[1] <= MOST_WIDE:
        return picture
    return shrunk(picture, MOST_WIDE, max(1, round(picture.shape[0] * MOST_WIDE / picture.shape[1])))
