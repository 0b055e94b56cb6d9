"""What a backup needs of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from community_flow.ports import Transaction


class Sink(Protocol):
    def write(self, data: bytes, /) -> Any: ...


class Archive(Protocol):
    """Where a backup is written to."""

    def part(self, name: str) -> AbstractContextManager[Sink]:
        """A part by that name; whole when the block ends."""
        ...


class Opened(Protocol):
    """A backup that is read. `verify` has looked at every byte before anything is believed."""

    path: Path
    manifest: Mapping[str, Any]

    def verify(self) -> None: ...

    def content(self, name: str) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Copied:
    """What a copy of a store holds."""

    revision: str
    rows: Mapping[str, int]
    columns: Mapping[str, list[str]]


class StoreCopy(Protocol):
    """One kind of store: how it is copied while others write, and how a copy takes its place."""

    kind: str
    is_file: bool

    def copy(self, archive: Archive, work: Path) -> Copied:
        """Write the store as it is at one moment; ``work`` is a folder for what is needed on the way."""
        ...

    def filled(self) -> bool:
        """Whether the target has rows of its own."""
        ...

    def restore(self, opened: Opened, staged: Path, ready: Callable[[Transaction], None]) -> None:
        """Fill the store from a backup and bring it up to this version. ``ready`` is called last, in the transaction
        in which the new store is whole; when it raises, the old store stays. A store that is a file is left in
        ``staged``, whose files then take the place of the old ones."""
        ...
