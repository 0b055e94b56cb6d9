"""Processor, memory, files and threads of processes, as Linux tells them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from community_flow.ports.health import Reading

PROC = Path("/proc")


def readings(processes: Iterable[tuple[str, int]]) -> Iterator[Reading]:
    """``processes`` are (name, pid). One that has ended, or is in another container, is left out."""
    ticks, page, booted_s = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE"), _booted_s()
    for name, pid in processes:
        try:
            # After the name in brackets, which may itself contain spaces.
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            files = len(os.listdir(PROC / str(pid) / "fd"))
        except OSError:
            continue
        label = {"process": name}
        yield Reading("process_cpu_seconds_total", (int(fields[11]) + int(fields[12])) / ticks, label)
        yield Reading("process_threads", int(fields[17]), label)
        yield Reading("process_start_time_seconds", booted_s + int(fields[19]) / ticks, label)
        yield Reading("process_resident_memory_bytes", int(fields[21]) * page, label)
        yield Reading("process_open_fds", files, label)


def _booted_s() -> float:
    try:
        lines = (PROC / "stat").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), 0.0)
