"""Signals to processes that a test started. One that is gone meanwhile needs neither waking nor ending."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def _parent_and_group(pid: int) -> tuple[int, int] | None:
    """From /proc: (parent, process group); None when it has ended, a zombie too."""
    try:
        state, parent, group, *_ = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else (int(parent), int(group))


def parent_of(pid: int) -> int:
    """Raises ProcessLookupError when it has ended."""
    about = _parent_and_group(pid)
    if about is None:
        raise ProcessLookupError(pid)
    return about[0]


def everybody() -> list[int]:
    """Without what Python starts beside a server's workers to clean up after them: it is none of them."""
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal() and not _cleans_up(each)]


def _cleans_up(process: Path) -> bool:
    try:
        return b"multiprocessing.resource_tracker" in (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def family(root: int) -> list[int]:
    """A process that a test started, with its whole group and all descendants of it."""
    known = {pid: _parent_and_group(pid) for pid in everybody()}
    found = {pid for pid, about in known.items() if about is not None and (pid == root or about[1] == root)}
    while more := {pid for pid, about in known.items() if about is not None and about[0] in found} - found:
        found |= more
    return sorted(found)


def processes_of(group: int) -> list[int]:
    """Every process of a group that a test started (the server and its workers)."""
    found = []
    for pid in everybody():
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == group:
                found.append(pid)
    return found


def working_in(folder: Path) -> list[int]:
    """Processes whose working folder this is."""
    found = []
    for pid in everybody():
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd") == str(folder):
                found.append(pid)
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def send_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


@contextmanager
def frozen(root: int) -> Iterator[None]:
    """A process and what it started stand still: the root first, so that nothing is started that would still run."""
    send([root], signal.SIGSTOP)
    stopped = family(root)
    send(stopped, signal.SIGSTOP)
    try:
        yield
    finally:
        send(stopped, signal.SIGCONT)
