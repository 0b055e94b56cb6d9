"""Pictures with their times, from a file, a folder of images, a USB camera, a network stream or a rendered scene."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger("sensors")

Picture = Any
"""A picture as OpenCV has it: uint8 array (height, width, 3), blue first."""

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


class CameraTrouble(RuntimeError):
    """A source that cannot be opened or went away; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture. ``t_s`` counts from the source's first picture, by the source's own clock."""

    number: int
    t_s: float
    picture: Picture


class Source(Protocol):
    """Where pictures come from. ``live`` says that now is when they were taken, so `t_s` fits the wall clock."""

    live: bool

    def frames(self, fps: float) -> Iterator[Frame]:
        """At most ``fps`` pictures for each second of the source; raises CameraTrouble when it goes away."""
        ...


class Pace:
    """Frame-rate governor: which of a source's pictures are looked at."""

    def __init__(self, fps: float) -> None:
        self._step = 1 / fps
        self._due = -math.inf

    def wants(self, t_s: float) -> bool:
        """Whether the picture at ``t_s`` is due; a picture half a millisecond early counts as in time."""
        if t_s < self._due - 5e-4:
            return False
        late = t_s - self._due > self._step
        self._due = (t_s if late else self._due) + self._step
        return True


def open_source(name: str) -> Source:
    """The source by that name: ``scene:SEED``, ``usb:0``, a stream's address, a folder of images, or a video file."""
    if name.startswith("scene:"):
        from sensors.scene import LiveScene

        return LiveScene.named(name)
    if (name.startswith("usb:") and name[4:].isdecimal()) or "://" in name:
        from sensors.stream import Camera

        return Camera(int(name[4:]) if name.startswith("usb:") else name)
    path = Path(name)
    if path.is_dir():
        return ImageFolder(path)
    return VideoFile(path)


class VideoFile:
    """A recorded video, as fast as it can be read."""

    live = False

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            raise CameraTrouble(f"There is no video {path}: check the path.")
        if not os.access(path, os.R_OK):
            raise CameraTrouble(f"The video {path} may not be read: check its permissions.")
        if path.stat().st_size == 0:
            raise CameraTrouble(f"The video {path} is empty (0 bytes): record or copy it again.")

    @property
    def seconds(self) -> float:
        """How long it lasts, by what its container says; 0 when it does not say."""
        cv2 = opencv()
        capture = opened(str(self._path))
        rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        capture.release()
        return float(count / rate) if rate > 0 and count > 0 else 0.0

    def frames(self, fps: float) -> Iterator[Frame]:
        cv2 = opencv()
        capture = opened(str(self._path))
        try:
            yield from self._read(cv2, capture, Pace(fps))
        finally:
            capture.release()

    def _read(self, cv2: Any, capture: Any, pace: Pace) -> Iterator[Frame]:
        rate = capture.get(cv2.CAP_PROP_FPS) if capture.isOpened() else 0
        number, t_s, damaged = 0, -math.inf, True
        while capture.isOpened() and capture.grab():
            stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # Some containers give no times, or the same one twice: go on by the frame rate then.
            t_s = stamp_s if stamp_s > t_s else t_s + 1 / (rate if 0 < rate < 1000 else 25)
            number += 1
            if not pace.wants(t_s):
                continue
            good, picture = capture.retrieve()
            if good and picture is not None and picture.size:
                damaged = False
                yield Frame(number, t_s, picture)
        expected = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if not damaged and number < 0.9 * expected < math.inf:
            log.warning("%s ends after %d of %d pictures: it is cut short.", self._path, number, int(expected))
        if damaged:
            raise CameraTrouble(
                f"No picture can be read from {self._path}: it is damaged or no video; record it again."
            )


class ImageFolder:
    """Images in a folder by name, ten to a second unless ``images_per_s`` says otherwise."""

    live = False

    def __init__(self, folder: Path, images_per_s: float = 10.0) -> None:
        self._paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES)
        self._rate = images_per_s
        self.seconds = len(self._paths) / images_per_s
        if not self._paths:
            raise CameraTrouble(f"There is no image in {folder}: put {', '.join(IMAGES)} files there.")

    def frames(self, fps: float) -> Iterator[Frame]:
        cv2, pace, good = opencv(), Pace(fps), False
        for number, path in enumerate(self._paths, 1):
            t_s = (number - 1) / self._rate
            picture = quietly(lambda path=path: cv2.imread(str(path))) if pace.wants(t_s) else None
            if picture is not None:
                good = True
                yield Frame(number, t_s, picture)
        if not good:
            raise CameraTrouble(f"No image in {self._paths[0].parent} can be read: they are damaged; copy them again.")


def opened(name: int | str, *limits: int) -> Any:
    """A capture that decodes on one thread: more of them cost processor time and memory, and this one keeps up."""
    cv2 = opencv()
    if isinstance(name, int):
        return quietly(lambda: cv2.VideoCapture(name))
    return quietly(lambda: cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1, *limits]))


def opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise CameraTrouble(f"OpenCV is missing ({error}): `pip install 'community-flow-sensors[camera]'`.") from error
    cv2.setNumThreads(1)
    return cv2


def quietly(action: Any) -> Any:
    """OpenCV tells the terminal what our own message says better; its word is silenced while it opens something."""
    import cv2

    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return action()
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)
