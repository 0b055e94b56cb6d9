"""Relays, barriers and buzzers: opened for a moment when somebody goes through, held open while there is a fire."""

from __future__ import annotations

import http.client
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from sensors import faults
from sensors.config_lines import FireConfig, OutputConfig
from sensors.desk import Desk
from sensors.line_source import each_line, open_serial

ANSWER_S = 3.0
AGAIN_S = 1.0
LOOK_S = 0.1

log = logging.getLogger("sensors")


class Drive(Protocol):
    """What is at the other end of an output."""

    def send(self, text: str) -> None:
        """Raises OSError when it did not arrive."""
        ...


class SerialDrive:
    """A relay board that takes bytes; ``hex:A00101A2`` stands for those that are no text."""

    def __init__(self, to: str) -> None:
        path, _, options = to.removeprefix("serial:").partition("?")
        self._path, self._baud = path, int(parse_qs(options).get("baud", ["9600"])[0])
        self._handle: int | None = None

    def send(self, text: str) -> None:
        data = bytes.fromhex(text.removeprefix("hex:")) if text.startswith("hex:") else text.encode()
        try:
            # The port stays open: many boards begin anew with every opening.
            self._handle = open_serial(self._path, self._baud) if self._handle is None else self._handle
            os.write(self._handle, data)
        except (OSError, ValueError) as error:
            self._close()
            raise OSError(str(error)) from error

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            with suppress(OSError):
                os.close(handle)


class HttpDrive:
    """A relay that is told over HTTP: the texts are paths that are asked for."""

    def __init__(self, to: str) -> None:
        self._parts = urlsplit(to)

    def send(self, text: str) -> None:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        line = kind(self._parts.hostname or "", self._parts.port, timeout=ANSWER_S)
        try:
            line.request("GET", self._parts.path.rstrip("/") + text)
            status = line.getresponse().status
        except http.client.HTTPException as error:
            raise OSError(f"no proper answer ({type(error).__name__})") from error
        finally:
            line.close()
        if not 200 <= status < 300:
            raise OSError(f"it answers {status}")


class FileDrive:
    """A file that is written, as the value of a GPIO line or a lamp under /sys."""

    def __init__(self, to: str) -> None:
        self._path = to

    def send(self, text: str) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_TRUNC)
        try:
            os.write(handle, text.encode())
        finally:
            os.close(handle)


def drive_of(to: str) -> Drive:
    if to.startswith("serial:"):
        return SerialDrive(to)
    return HttpDrive(to) if to.startswith(("http://", "https://")) else FileDrive(to)


class Output:
    """One output. It is driven to what is wanted, again and again until that arrived."""

    def __init__(self, config: OutputConfig, now_s: Callable[[], float] = time.monotonic) -> None:
        self._config, self._drive, self._now_s = config, drive_of(config.to), now_s
        self._until_s = 0.0
        self._is_held = False
        self._is_open: bool | None = None
        self._news = threading.Event()

    def passed(self, gate: str) -> None:
        """Somebody goes through that gate."""
        if self._config.on == "passed" and self._config.gate in ("", gate):
            self._until_s = self._now_s() + self._config.pulse_s
            self._news.set()

    def hold(self, fire: bool) -> None:
        """Whether there is a fire, or nobody knows that there is none."""
        held = fire and (self._config.hold_on_fire or self._config.on == "fire")
        if held != self._is_held:
            self._is_held = held
            self._news.set()

    def run(self, desk: Desk, stop: threading.Event) -> None:
        while not stop.is_set():
            arrived = self._drive_to(self._wanted(), desk)
            self._news.wait(self._rest_s() if arrived else AGAIN_S)
            self._news.clear()
        if not self._is_held:  # who stops this program in a fire must not shut the gate with it
            self._drive_to(False, desk)

    def _wanted(self) -> bool:
        return self._is_held or self._now_s() < self._until_s

    def _rest_s(self) -> float:
        left_s = self._until_s - self._now_s()
        return min(left_s, AGAIN_S) if self._is_open and not self._is_held and left_s > 0 else AGAIN_S

    def _drive_to(self, wanted: bool, desk: Desk) -> bool:
        if wanted == self._is_open:
            return True
        try:
            self._drive.send(self._config.open if wanted else self._config.close)
        except (OSError, ValueError) as error:
            log.error("The output %s cannot be reached (%s): check its plug and its address.", self._config.to, error)
            desk.fault(faults.OUTPUT_LOST)
            return False
        self._is_open = wanted
        desk.fault(faults.OUTPUT_LOST, on=False)
        return True


class FireInput:
    """The contact of the fire alarm. It must say again and again that all is quiet; whatever else it is, is a fire."""

    def __init__(self, config: FireConfig, outputs: list[Output], now_s: Callable[[], float] = time.monotonic) -> None:
        self._config, self._outputs, self._now_s = config, outputs, now_s
        self._active = False
        self._heard_s: float | None = None

    def run(self, desk: Desk, stop: threading.Event) -> None:
        given = (self._config.source, desk, stop, self.take)
        threading.Thread(target=each_line, args=given, kwargs={"lost": self.lost}, daemon=True).start()
        while True:
            self.tell(desk)
            if stop.wait(LOOK_S):
                return

    def take(self, line: str | None) -> None:
        if line is None:
            return
        is_active, is_quiet = self._config.active.search(line), self._config.quiet.search(line)
        if is_active or is_quiet:
            self._active, self._heard_s = bool(is_active), self._now_s()

    def lost(self) -> None:
        """Its line is gone: nobody knows."""
        self._heard_s = None

    def tell(self, desk: Desk) -> None:
        """Hold the outputs open while it burns, or while nobody knows that it does not; and report which it is."""
        is_silent = self._heard_s is None or self._now_s() - self._heard_s > self._config.silence_s
        for output in self._outputs:
            output.hold(self._active or is_silent)
        desk.fault(faults.FIRE, self._active)
        desk.fault(faults.FIRE_LINE_LOST, is_silent)
