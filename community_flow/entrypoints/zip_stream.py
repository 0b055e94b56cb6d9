"""A ZIP that is sent while its files are still being made."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, cast


class _Outgoing:
    """What zipfile writes to: it cannot be sought in, so sizes follow each file."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to do: `taken` empties what waits."""

    def taken(self) -> bytes:
        data, self.waiting = b"".join(self.waiting), []
        return data


def zipped(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Pieces of a ZIP of (name, content). PDFs are compressed already, so they are only stored."""
    out = _Outgoing()
    with zipfile.ZipFile(cast(IO[bytes], out), "w", zipfile.ZIP_STORED) as packed:
        for name, content in files:
            packed.writestr(name, content)
            yield out.taken()
    yield out.taken()
