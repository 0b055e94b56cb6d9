"""What the kernel saw: strace of an installation in one file, and for each answer the proof that the disk came first.

A report carries a mark that is found again in the write to the log of the store and in the answer. Lines stand in the
order in which strace let the threads go on, so a line before another happened before it wherever one waited for the
other; and whoever answers waits for whoever wrote.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import REQUIRED
from tests.services import wait_until

CALLS = "write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync,sync_file_range"
MARK = re.compile(rb"mark-\d{6}")
LINE = re.compile(rb"^(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$", re.S)
SYNCED = re.compile(rb"\)\s+= 0\s*$")
UNFINISHED = b"<unfinished ...>"
TRIES = 10


@contextmanager
def watched(pids: Callable[[], Sequence[int]], output: Path) -> Iterator[None]:
    """strace attached to these processes, all their threads and all that they start."""
    tracer = _attached(pids, output)
    try:
        yield
    finally:
        _end(tracer)


def _attached(pids: Callable[[], Sequence[int]], output: Path) -> subprocess.Popen[bytes]:
    """A process that was forked while strace attached to its parent is seen by nobody, and what it writes neither: so
    who is there is asked again when all are traced."""
    for _ in range(TRIES):
        wanted = pids()
        tracer = subprocess.Popen(_command(wanted, output), stderr=subprocess.PIPE)
        wait_until(partial(_all_traced_or_ended, wanted, tracer), "strace")
        if tracer.poll() is not None:
            assert tracer.stderr is not None
            _without(f"strace may not look: {tracer.stderr.read().decode()[-300:]}")
        if all(map(_is_traced, pids())):
            return tracer
        _end(tracer)
    raise AssertionError(f"in {TRIES} tries new processes were always there when strace had attached")


def _command(pids: Sequence[int], output: Path) -> list[str]:
    program = shutil.which("strace")
    if not program:
        _without("strace is not installed: apt-get install strace")
    options = ["-f", "-y", "-s", "200000", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(output)]
    return [program or "", *options, *(word for pid in pids for word in ("-p", str(pid)))]


def _end(tracer: subprocess.Popen[bytes]) -> None:
    if tracer.poll() is None:
        tracer.send_signal(signal.SIGINT)
    tracer.wait(60)
    if tracer.stderr is not None:
        tracer.stderr.close()


def _all_traced_or_ended(pids: Sequence[int], tracer: subprocess.Popen[bytes]) -> bool:
    return tracer.poll() is not None or all(map(_is_traced, pids))


def _without(why: str) -> None:
    if REQUIRED:
        raise RuntimeError(why)
    pytest.skip(why)


def _is_traced(pid: int) -> bool:
    """Or gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return not re.search(r"^TracerPid:\t0$", status, re.M)


@dataclass(frozen=True)
class Event:
    """A call that began (``ended`` False) or ended; one that was not interrupted is both, at its end."""

    thread: bytes
    call: bytes
    text: bytes
    began: bool
    ended: bool


def events(trace: Path) -> Iterator[Event]:
    pending: dict[tuple[bytes, bytes], bytes] = {}
    for line in trace.read_bytes().split(b"\n"):
        found = LINE.match(line)
        if not found:
            continue
        thread, call, text, resumed, rest = found.groups()
        if resumed:
            yield Event(thread, resumed, pending.pop((thread, resumed), b"") + rest, began=False, ended=True)
        elif UNFINISHED in text:
            pending[thread, call] = text.replace(UNFINISHED, b"")
            yield Event(thread, call, text, began=True, ended=False)
        else:
            yield Event(thread, call, text, began=True, ended=True)


def proven(trace: Path, log_of_store: bytes) -> tuple[set[bytes], set[bytes]]:
    """(marks answered, those answered after a sync of the store's log that began after the mark was written to it)."""
    written: set[bytes] = set()  # to the log, by a write that ended
    syncing: dict[bytes, set[bytes]] = {}  # thread -> what was written when its sync began
    safe: set[bytes] = set()
    answered: set[bytes] = set()
    good: set[bytes] = set()
    for event in events(trace):
        in_log = log_of_store in event.text.partition(b",")[0]
        if event.call in (b"fsync", b"fdatasync") and log_of_store in event.text:
            if event.began:
                syncing[event.thread] = set(written)
            if event.ended and SYNCED.search(event.text):
                safe |= syncing.pop(event.thread, set())
        elif in_log and event.ended:
            written |= set(MARK.findall(event.text))
        elif event.began and b"HTTP/1.1 200" in event.text:
            found = set(MARK.findall(event.text))
            answered |= found
            good |= found & safe
    return answered, good
