"""Lines of text from a serial port, a TCP line, a pipe or a file. Standard library only."""

from __future__ import annotations

import logging
import os
import select
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from sensors import faults
from sensors.desk import Again, Desk

LOOK_S = 0.2
"""How often a quiet source looks whether it is to stop."""
MOST_LINE = 4_096
PIECE = 4_096
CONNECT_S = 5.0


class LineTrouble(RuntimeError):
    """A source that does not give lines (any more); the message names the remedy."""


class Splitter(Protocol):
    """Makes lines of what a source gives."""

    def begin(self, handle: int) -> None: ...

    def feed(self, piece: bytes) -> list[str]: ...

    def rest(self) -> list[str]:
        """What is left when a source has ended."""
        ...


class Lines:
    """Text as it is, whatever ends its lines."""

    def __init__(self) -> None:
        self._rest = b""

    def begin(self, handle: int) -> None:
        pass

    def feed(self, piece: bytes) -> list[str]:
        *whole, rest = (self._rest + piece).replace(b"\r", b"\n").split(b"\n")
        self._rest = rest[-MOST_LINE:]
        return [_text(line[:MOST_LINE]) for line in whole if line]

    def rest(self) -> list[str]:
        return [_text(self._rest)] if self._rest else []


class LineSource:
    """One opening of a source. ``ends`` says that it is a file: at its end there is no more to come."""

    def __init__(self, name: str, splitter: Splitter) -> None:
        self._name, self._splitter = name, splitter
        try:
            self._handle, self.ends = _opened(name)
            splitter.begin(self._handle)
        except (OSError, ValueError) as error:
            raise LineTrouble(
                f"{name} cannot be opened ({error}): check the plug, the address and the rights."
            ) from error

    def lines(self, stop: threading.Event) -> Iterator[str | None]:
        """Each line without its end, and None whenever nothing came for a moment. Raises LineTrouble at its end, unless
        it is a file."""
        while not stop.is_set():
            piece = self._piece()
            if piece is None:
                yield None
                continue
            if not piece:
                yield from self._splitter.rest()
                if self.ends:
                    return
                raise LineTrouble(f"{self._name} has ended: it is tried again.")
            yield from self._splitter.feed(piece)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._handle)

    def _piece(self) -> bytes | None:
        try:
            if not select.select([self._handle], [], [], LOOK_S)[0]:
                return None
            return os.read(self._handle, PIECE)
        except BlockingIOError:
            return None
        except OSError as error:
            raise LineTrouble(f"{self._name} does not answer ({error.strerror}): it is tried again.") from error


def each_line(
    name: str, desk: Desk, stop: threading.Event, take: Callable[[str | None], None],
    splitter: Callable[[], Splitter] = Lines, lost: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Call ``take`` for every line, and with None whenever it is quiet; ``lost`` when the source goes away, which is
    tried again."""
    again = Again(stop)
    while not stop.is_set():
        try:
            if _to_the_end(LineSource(name, splitter()), desk, stop, take, again):
                return
        except LineTrouble as error:
            logging.getLogger("sensors").error("%s", error)
            lost()
            desk.fault(faults.SOURCE_LOST)
            again.wait()


def _to_the_end(
    source: LineSource, desk: Desk, stop: threading.Event, take: Callable[[str | None], None], again: Again
) -> bool:
    """Whether there is no more to come."""
    try:
        for line in source.lines(stop):
            desk.fault(faults.SOURCE_LOST, on=False)
            if line is not None:
                again.went_well()
            take(line)
    finally:
        source.close()
    return source.ends


def _opened(name: str) -> tuple[int, bool]:
    """(descriptor, whether it is a file that ends)."""
    if name.startswith("tcp://"):
        parts = urlsplit(name)
        line = socket.create_connection((parts.hostname or "", parts.port or 0), CONNECT_S)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return line.detach(), False
    if name.startswith("serial:"):
        path, _, options = name.removeprefix("serial:").partition("?")
        return open_serial(path, int(parse_qs(options).get("baud", ["9600"])[0])), False
    kind = os.stat(name).st_mode
    # Whoever writes to a pipe may come and go: it stays open, because what lies in it is gone with its last holder.
    access = os.O_RDWR if stat.S_ISFIFO(kind) else os.O_RDONLY
    return os.open(name, access | os.O_NONBLOCK), stat.S_ISREG(kind)


def open_serial(path: str, baud: int) -> int:
    """A serial port as it comes: eight bits, no parity, nothing translated."""
    import termios
    import tty

    speed = getattr(termios, f"B{baud}", None)
    if speed is None:
        raise ValueError(f"no serial port runs at {baud} baud")
    handle = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        tty.setraw(handle, termios.TCSANOW)
        modes = termios.tcgetattr(handle)
        modes[2] = (modes[2] & ~termios.CSTOPB) | termios.CLOCAL | termios.CREAD
        modes[4] = modes[5] = speed
        termios.tcsetattr(handle, termios.TCSANOW, modes)
    except termios.error as error:
        os.close(handle)
        raise OSError(f"{path} is no serial port ({error})") from error
    return handle


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip("\x00\r\n\t ")
