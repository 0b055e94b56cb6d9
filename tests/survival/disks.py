"""A disk of a few megabytes that can be filled to the last byte and emptied again."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import REQUIRED


class SmallDisk:
    """A mounted tmpfs; `fill` leaves no room, `empty` gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def free_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self) -> None:
        """Until not a byte more is taken."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 4096)

    def empty(self) -> None:
        self._ballast.unlink()


@contextmanager
def small_disk(megabytes: int) -> Iterator[SmallDisk]:
    """Needs root (CI has it); skips elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="flow-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "flow-test", str(folder)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode != 0:
        folder.rmdir()
        if REQUIRED:
            raise RuntimeError(f"no tmpfs can be mounted here: {mounted.stderr}")
        pytest.skip(f"a small disk needs root and mount: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()
