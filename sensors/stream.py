"""Cameras that are looked at as they run: USB, or a stream over RTSP or HTTP."""

from __future__ import annotations

import math
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from sensors.frames import CameraTrouble, Frame, Pace, Picture, opencv, opened

STALL_MS = 5_000
"""A stream that gives nothing for so long is gone."""


class Camera:
    """A USB camera or a stream. A thread drains it, so that what is looked at is always the newest picture."""

    live = True

    def __init__(self, address: int | str) -> None:
        self._address = address

    def frames(self, fps: float) -> Iterator[Frame]:
        """Pictures from now on; `t_s` counts from the first and follows the stream's own clock where it has one."""
        newest = _Newest(self._opened(), Pace(fps))
        begun_s: float | None = None
        try:
            while True:
                number, taken_s, picture = newest.wait(STALL_MS / 1000, shown(self._address))
                begun_s = taken_s if begun_s is None else begun_s
                yield Frame(number, taken_s - begun_s, picture)
        finally:
            newest.stop()

    def _opened(self) -> Any:
        cv2 = opencv()
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STALL_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, STALL_MS]
        capture, name = opened(self._address, *limits), shown(self._address)
        if capture is None or not capture.isOpened():
            raise CameraTrouble(f"The camera {name} does not answer: check its cable, power and address.")
        return capture


def shown(address: int | str) -> str:
    """``address`` as it may stand in a journal: without the password that many cameras want in it."""
    return re.sub(r"//[^/@]*@", "//…@", str(address))


class StreamClock:
    """When a picture was taken, on our own monotonic clock.

    A network delivers in bursts, so the moment of arrival says little; the stream's stamps are even. They are believed
    once they ran for some seconds as fast as our own clock: MJPEG over HTTP carries none, and what is made up for it
    runs at a rate of its own.
    """

    PROOF_S, KEPT_S, JUMP_S = 3.0, 10.0, 5.0
    AMISS = 0.1

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()
        self._last_s = -math.inf

    def at(self, arrived_s: float, stamp_s: float) -> float:
        """The moment for a picture that came at ``arrived_s`` with the stamp ``stamp_s``; it never goes back."""
        if self._seen and not 0 < stamp_s - self._seen[-1][1] < self.JUMP_S:
            self._seen.clear()
        self._seen.append((arrived_s, stamp_s))
        while arrived_s - self._seen[0][0] > self.KEPT_S:
            self._seen.popleft()
        taken_s = stamp_s + min(came - stamp for came, stamp in self._seen) if self._believed() else arrived_s
        self._last_s = max(taken_s, self._last_s + 1e-3)
        return self._last_s

    def _believed(self) -> bool:
        (came_s, stamp_s), (comes_s, stamps_s) = self._seen[0], self._seen[-1]
        passed_s = comes_s - came_s
        return passed_s >= self.PROOF_S and abs((stamps_s - stamp_s) / passed_s - 1) <= self.AMISS


class _Newest:
    """The newest picture due of a capture that a thread reads; only this class touches the capture after it began."""

    def __init__(self, capture: Any, pace: Pace) -> None:
        self._capture, self._pace, self._clock = capture, pace, StreamClock()
        self._changed = threading.Condition()
        self._found: tuple[int, float, Picture] | None = None
        self._number = self._given = 0
        self._heard_s = time.monotonic()
        self._gone = self._stop = False
        self._thread = threading.Thread(target=self._drain, name="camera", daemon=True)
        self._thread.start()

    def wait(self, most_s: float, name: object) -> tuple[int, float, Picture]:
        """The next picture not given before; raises CameraTrouble."""
        with self._changed:
            while not self._gone and self._number == self._given:
                self._changed.wait(0.1)
                # Pictures that are not due are heard of too: a slow pace is no stall.
                self._gone = self._gone or time.monotonic() - self._heard_s > most_s
            if self._found is None or self._number == self._given:
                raise CameraTrouble(f"The camera {name} stopped giving pictures: check its cable, power and network.")
            self._given = self._number
            return self._found

    def stop(self) -> None:
        self._stop = True
        self._thread.join(STALL_MS / 1000 + 1)

    def _drain(self) -> None:
        while not self._stop and self._capture.grab():
            self._heard_s = time.monotonic()
            taken_s = self._clock.at(self._heard_s, self._capture.get(0) / 1000)  # cv2.CAP_PROP_POS_MSEC
            if not self._pace.wants(taken_s):
                continue
            good, picture = self._capture.retrieve()
            if good and picture is not None:
                with self._changed:
                    self._number += 1
                    self._found = (self._number, taken_s, picture)
                    self._changed.notify()
        with self._changed:
            self._gone = True
            self._changed.notify()
        self._capture.release()
