"""Numbers that every process of an installation counts and any of them can read: one small file per process.

A figure is eight bytes in a mapped file, so counting is an addition in memory, and what a process counted before it
was killed is still there for the others. A process that starts takes over the file of one that ended and counts on.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORD = 192
"""One figure: eight bytes of value, then its name."""
NAME_BYTES = RECORD - 8
FIGURES = 2_048
MARK = b"community-flow figures 1"
SIZE = RECORD * (FIGURES + 1)
WORDS = RECORD // 8


@dataclass(frozen=True)
class Read:
    """One figure of one process; ``live`` says whether that process still runs."""

    name: str
    value: float
    live: bool


class Figures:
    """The figures of this process: in memory at first, in a file for all to read after `share`."""

    def __init__(self) -> None:
        self._values: Any = array("d", bytes(SIZE))
        self._place: dict[str, int] = {}
        self._lock = threading.Lock()
        self._file: int | None = None
        self._own = ""
        self._map: mmap.mmap | None = None
        self.folder: Path | None = None

    def add(self, name: str, amount: float) -> None:
        with self._lock:
            place = self._place.get(name) or self._new(name)
            self._values[place] += amount

    def add_all(self, amounts: tuple[tuple[str, float], ...]) -> None:
        """Several figures that belong together."""
        with self._lock:
            for name, amount in amounts:
                place = self._place.get(name) or self._new(name)
                self._values[place] += amount

    def put(self, name: str, value: float) -> None:
        with self._lock:
            place = self._place.get(name) or self._new(name)
            self._values[place] = value

    def share(self, folder: Path, role: str) -> None:
        """From now on in a file of ``folder``. Without room for it the figures stay in this process."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file, own = _own_file(folder, role)
        except OSError:
            return
        with self._lock:
            mine = {name: self._values[place] for name, place in self._place.items()}
            self._file, self._own, self.folder = file, own, folder
            self._map = mmap.mmap(file, SIZE)
            self._values = memoryview(self._map).cast("d")
            self._values[0] = os.getpid()
            self._place = {name: place * WORDS for place, name in _names(self._map)}
            for name, value in mine.items():
                self._values[self._place.get(name) or self._new(name)] += value

    def close(self) -> None:
        """Give the file up for another process; the figures stay in it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def read(self) -> list[Read]:
        """Every figure of every process that shares the folder, this one's as they are now."""
        with self._lock:
            found = [Read(name, self._values[place], True) for name, place in self._place.items()]
        if self.folder is not None:
            for path in sorted(self.folder.glob("*.figures")):
                if path.name != self._own:
                    found += _read_file(path)
        return found

    def processes(self) -> Iterator[tuple[str, int]]:
        """(name, pid) of the processes that share the folder and still run; this one alone before `share`."""
        if self.folder is None:
            yield "alone", os.getpid()
            return
        for path in sorted(self.folder.glob("*.figures")):
            with path.open("rb") as file:
                head = file.read(8)
                if len(head) == 8 and not _free(file.fileno()):
                    yield path.stem, int(memoryview(head).cast("d")[0])

    def _new(self, name: str) -> int:
        """A place for a figure that is counted for the first time. The last one is shared by all that find no room."""
        text = name.encode()[:NAME_BYTES]
        place = (min(len(self._place), FIGURES - 1) + 1) * WORDS
        if self._map is not None and len(self._place) < FIGURES:
            self._map[place * 8 + 8 : place * 8 + 8 + len(text)] = text
        self._place[name] = place
        return place


def _own_file(folder: Path, role: str) -> tuple[int, str]:
    """The first file of this role that no living process holds; the descriptor is held until the process ends."""
    for number in range(1_000):
        name = f"{role}-{number}.figures"
        file = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _prepare(file)
        except BlockingIOError:
            os.close(file)
        except OSError:
            os.close(file)
            raise
        else:
            return file, name
    raise OSError(f"every file of {role} is taken")


def _prepare(file: int) -> None:
    """Written out in full, not left as a hole: a disk that is full later must not end the process that counts."""
    if os.fstat(file).st_size == SIZE and os.pread(file, len(MARK), 8) == MARK:
        return
    os.ftruncate(file, 0)
    left = memoryview(bytes(8) + MARK + bytes(SIZE - 8 - len(MARK)))
    while left:
        left = left[os.write(file, left) :]
    os.fsync(file)


def _names(content: bytes | mmap.mmap) -> Iterator[tuple[int, str]]:
    for place in range(1, FIGURES + 1):
        text = content[place * RECORD + 8 : (place + 1) * RECORD].rstrip(b"\0")
        if not text:
            return
        yield place, text.decode(errors="replace")


def _read_file(path: Path) -> Iterator[Read]:
    with path.open("rb") as file:
        live = not _free(file.fileno())
        content = file.read()
    if len(content) == SIZE:
        values = memoryview(content).cast("d")
        for place, name in _names(content):
            yield Read(name, values[place * WORDS], live)


def _free(file: int) -> bool:
    """True when the process that wrote this file has ended."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return True
