"""Pictures with their times, from a file, a folder of images, a USB camera, a network stream or a rendered scene."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger("sensors")

Picture = Any
"""A picture as OpenCV has it: uint8 array (height, width, 3), blue first."""

IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
STALL_MS = 5_000
"""A stream that gives nothing for so long is gone."""


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
    if name.startswith("usb:") and name[4:].isdecimal():
        return Camera(int(name[4:]))
    if "://" in name:
        return Camera(name)
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
        cv2 = _opencv()
        capture = _quietly(lambda: cv2.VideoCapture(str(self._path)))
        rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        capture.release()
        return float(count / rate) if rate > 0 and count > 0 else 0.0

    def frames(self, fps: float) -> Iterator[Frame]:
        cv2 = _opencv()
        capture = _quietly(lambda: cv2.VideoCapture(str(self._path)))
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
        cv2, pace, good = _opencv(), Pace(fps), False
        for number, path in enumerate(self._paths, 1):
            t_s = (number - 1) / self._rate
            picture = _quietly(lambda path=path: cv2.imread(str(path))) if pace.wants(t_s) else None
            if picture is not None:
                good = True
                yield Frame(number, t_s, picture)
        if not good:
            raise CameraTrouble(f"No image in {self._paths[0].parent} can be read: they are damaged; copy them again.")


class Camera:
    """A USB camera or a stream. A thread drains it, so that what is looked at is always the newest picture."""

    live = True

    def __init__(self, address: int | str) -> None:
        self._address = address

    def frames(self, fps: float) -> Iterator[Frame]:
        capture = self._opened()
        newest = _Newest(capture)
        pace, begun_s = Pace(fps), time.monotonic()
        try:
            while True:
                number, taken_s, picture = newest.wait(STALL_MS / 1000, self._address)
                if pace.wants(taken_s - begun_s):
                    yield Frame(number, taken_s - begun_s, picture)
        finally:
            newest.stop()

    def _opened(self) -> Any:
        cv2 = _opencv()
        if isinstance(self._address, int):
            capture = _quietly(lambda: cv2.VideoCapture(self._address))
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STALL_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, STALL_MS]
            capture = _quietly(lambda: cv2.VideoCapture(self._address, cv2.CAP_FFMPEG, limits))
        if not capture.isOpened():
            raise CameraTrouble(f"The camera {self._address} does not answer: check its cable, power and address.")
        return capture


class _Newest:
    """The newest picture of a capture that a thread reads; only this class touches the capture after it began."""

    def __init__(self, capture: Any) -> None:
        self._capture = capture
        self._changed = threading.Condition()
        self._found: tuple[int, float, Picture] | None = None
        self._number = self._given = 0
        self._gone = self._stop = False
        self._thread = threading.Thread(target=self._drain, name="camera", daemon=True)
        self._thread.start()

    def wait(self, most_s: float, name: object) -> tuple[int, float, Picture]:
        """The next picture not given before; raises CameraTrouble."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: self._gone or self._number > self._given, most_s)
            if not arrived or self._found is None or (self._gone and self._number == self._given):
                raise CameraTrouble(f"The camera {name} stopped giving pictures: check its cable, power and network.")
            self._given = self._number
            return self._found

    def stop(self) -> None:
        self._stop = True
        self._thread.join(STALL_MS / 1000 + 1)

    def _drain(self) -> None:
        while not self._stop:
            good, picture = self._capture.read()
            with self._changed:
                if good and picture is not None:
                    self._number += 1
                    self._found = (self._number, time.monotonic(), picture)
                self._gone = not good
                self._changed.notify()
            if not good:
                break
        self._capture.release()


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise CameraTrouble(f"OpenCV is missing ({error}): `pip install 'community-flow-sensors[camera]'`.") from error
    cv2.setNumThreads(1)
    return cv2


def _quietly(action: Any) -> Any:
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
