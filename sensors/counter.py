"""Counting people over lines in a source's pictures: look, detect, track, cross. Never draws."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sensors.boxes import Boxes, Detector
from sensors.frames import Frame, Picture, Source
from sensors.gate_line import Crossing, GateLine, Line
from sensors.region import Region, Stillness, round_line
from sensors.track import CONFIRMED, Track, Tracker

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
    """(index of the line, crossing)"""


class Counter:
    """Counts over one or more lines of one camera."""

    def __init__(self, detector: Detector, lines: Sequence[Line]) -> None:
        self._detector, self._lines = detector, lines
        self._tracker, self._still = Tracker(), Stillness()
        self._gates: list[GateLine] = []
        self._region = Region(0, 0, 0, 0)
        self._shape: tuple[int, int] = (0, 0)
        self._moved_s = self._looked_s = self._last_s = 0.0

    def look(self, frame: Frame) -> Look:
        """Take one picture in."""
        picture = _shrunk(frame.picture)
        if picture.shape[:2] != self._shape:
            self._begin(picture.shape[:2], frame.t_s)
        part = self._region.cut(picture)
        passed_s, self._last_s = frame.t_s - self._last_s, frame.t_s
        if self._still.moved(part):
            self._moved_s = frame.t_s
        if frame.t_s - self._moved_s > HANGOVER_S and frame.t_s - self._looked_s < GLANCE_S:
            self._tracker.rest(passed_s)
            return Look(frame, (), ())
        self._looked_s = frame.t_s
        boxes = self._detector.find(part).shifted(self._region.left, self._region.top)
        return self._follow(frame, boxes)

    def _follow(self, frame: Frame, boxes: Boxes) -> Look:
        tracks = self._tracker.update(boxes, frame.t_s)
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
        return Look(frame, tracks, crossings)

    def _begin(self, shape: tuple[int, int], t_s: float) -> None:
        """The first picture, or a camera that was set to another size: what was tracked has no meaning there."""
        height, width = self._shape = shape
        self._tracker = Tracker()
        self._gates = [GateLine(line, width, height) for line in self._lines]
        regions = [round_line(line, width, height) for line in self._lines]
        self._region = Region(
            min(each.left for each in regions),
            min(each.top for each in regions),
            max(each.right for each in regions),
            max(each.bottom for each in regions),
        )
        self._last_s = t_s


def _new_points(track: Track) -> Sequence[tuple[float, float, float]]:
    """Where a track was since the lines last heard of it: all of its way when it has just been confirmed.

    Somebody quick, or seen a few times a second only, is over the line before it is sure that he is somebody.
    """
    return list(track.way)[-1:] if track.hits > CONFIRMED else tuple(track.way)


@dataclass(frozen=True)
class Tally:
    """What a whole video came to."""

    crossings: tuple[Crossing, ...]
    frames: int
    cpu_ms_per_frame: float

    def total(self, direction: str) -> int:
        return sum(each.direction == direction for each in self.crossings)


def looks(source: Source, detector: Detector, lines: Sequence[Line], fps: float) -> Iterator[Look]:
    """Every picture of ``source``, looked at."""
    counter = Counter(detector, lines)
    return (counter.look(frame) for frame in source.frames(fps))


def count(
    source: Source,
    detector: Detector,
    line: Line,
    fps: float = FPS,
    most_frames: int | None = None,
    watch: Callable[[Look], None] = lambda look: None,
) -> Tally:
    """Count ``source`` to its end, or to ``most_frames`` looked at."""
    begun_s = time.process_time()
    found: list[Crossing] = []
    frames = 0
    for look in looks(source, detector, [line], fps):
        frames += 1
        found.extend(crossing for _, crossing in look.crossings)
        watch(look)
        if frames == most_frames:
            break
    spent_ms = (time.process_time() - begun_s) * 1000
    return Tally(tuple(found), frames, spent_ms / max(frames, 1))


def make_detector(kind: str, model: Path | None) -> Detector:
    """``yolox`` (with the model file) or ``motion``."""
    if kind == "yolox":
        from sensors.detect_yolox import YoloxDetector
        from sensors.model import default_path

        return YoloxDetector(model or default_path())
    from sensors.detect_motion import MotionDetector

    return MotionDetector()


def _shrunk(picture: Picture) -> Picture:
    import cv2

    if picture.shape[1] <= MOST_WIDE:
        return picture
    ratio = MOST_WIDE / picture.shape[1]
    return cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
