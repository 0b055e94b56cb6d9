"""A worker ends with the server that started it."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """When the supervisor is killed outright it cannot end its workers: one that went on would hold port and store, and
    no new server could start. What a worker is killed in the middle of is sent again."""
    if sys.platform != "linux" or multiprocessing.parent_process() is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():  # it died before we asked
        signal.raise_signal(signal.SIGKILL)
