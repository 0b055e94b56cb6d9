"""Room set aside on a disk, for what must be possible when there is none."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

PIECE = b"\0" * 65_536


class Reserve:
    """A file that holds ``size`` bytes and can be given up."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size

    def hold(self) -> bool:
        """Take the room if it is not held; what is not there whole is no reserve."""
        with suppress(OSError):
            if self._path.stat().st_size >= self._size:
                return True
        try:
            with self._path.open("wb", buffering=0) as file:
                for _ in range(0, self._size, len(PIECE)):
                    file.write(PIECE)
                os.fsync(file.fileno())
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> bool:
        """Give the room up; whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
