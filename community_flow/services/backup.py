"""Backups: one file with the store, the keys and what is needed to use them again; and back from such a file."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

from community_flow.domain.errors import Conflict
from community_flow.ports import Clock
from community_flow.ports.backup import Archive, Copied, StoreCopy

NAME = re.compile(r"flow-\d{8}T\d{6}Z\.tar")
FOLDERS = ("keys", "tls")
"""Of the data folder: what cannot be made again. Figures, locks and the broker's files can."""

FILES_PART = "files.json"
EXISTS = "%(path)s exists: a backup never takes another one's place."
FULL = (
    "There is no room for the backup on the disk of %(folder)s: nothing was written. Make room, or choose another "
    "folder."
)
UNWRITABLE = "The backup cannot be written to %(folder)s (%(why)s): nothing was written."
RUNNING = "Another backup is being written to %(folder)s: wait for it."


class Writer(Archive, Protocol):
    def finish(self, manifest: dict[str, Any]) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Made:
    path: Path
    manifest: Mapping[str, Any]
    removed: tuple[Path, ...]


class Backup:
    """``begin`` gives an archive that writes into a file; ``lock`` holds a folder for one backup at a time."""

    def __init__(
        self, store: StoreCopy, data_dir: Path, about: Mapping[str, Any], begin: Callable[[IO[bytes]], Writer],
        lock: Callable[[Path], AbstractContextManager[bool]], clock: Clock,
    ) -> None:  # fmt: skip
        self.store, self.data_dir, self.about = store, data_dir, about
        self.begin, self.lock, self.clock = begin, lock, clock

    def make(self, target: Path, keep: int | None = None) -> Made:
        """Write one backup, into a folder or under a name of its own. On disk when this returns; raises Conflict."""
        folder = target.parent if target.suffix == ".tar" else target
        with _refusals(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.lock(folder) as mine:
                if not mine:
                    raise Conflict(RUNNING, folder=folder)
                path = target if target.suffix == ".tar" else folder / name_at(self.clock.now_ms())
                manifest = self._write(path)
                return Made(path, manifest, _rotate(folder, keep))

    def _write(self, path: Path) -> Mapping[str, Any]:
        if path.exists():
            raise Conflict(EXISTS, path=path)
        for left in path.parent.glob(".flow-*.partial"):  # of one that was killed: this folder is ours alone now
            shutil.rmtree(left)
        work = path.parent / f".{path.name}.partial"
        work.mkdir(mode=0o700)
        try:
            unfinished = work / "archive"
            with open(unfinished, "xb", opener=_private) as file:
                manifest = self._fill(self.begin(file), work)
            try:
                os.link(unfinished, path)  # refuses to take the place of a file that came meanwhile
            except FileExistsError as error:
                raise Conflict(EXISTS, path=path) from error
            sync_folder(path.parent)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return manifest

    def _fill(self, archive: Writer, work: Path) -> Mapping[str, Any]:
        made_ms = self.clock.now_ms()
        copied = self.store.copy(archive, work)
        with archive.part(FILES_PART) as sink:
            sink.write(json.dumps(files_of(self.data_dir)).encode())
        return archive.finish(_manifest(self.store.kind, made_ms, copied, self.about))


def _manifest(kind: str, made_ms: int, copied: Copied, about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "made": moment(made_ms), "made_ms": made_ms, "store": kind, "revision": copied.revision, **about,
        "rows": dict(copied.rows), "columns": dict(copied.columns),
    }  # fmt: skip


def name_at(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("flow-%Y%m%dT%H%M%SZ.tar")


def moment(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms // 1000, UTC).isoformat()


def newest_in(folder: Path) -> tuple[Path, int] | None:
    """The newest backup of a folder and when it was begun, by its name."""
    found = backups_in(folder)
    if not found:
        return None
    begun = datetime.strptime(found[-1].name, "flow-%Y%m%dT%H%M%SZ.tar").replace(tzinfo=UTC)
    return found[-1], int(begun.timestamp() * 1000)


def backups_in(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(path for path in folder.glob("flow-*.tar") if NAME.fullmatch(path.name))


def _rotate(folder: Path, keep: int | None) -> tuple[Path, ...]:
    """Only what is named as a backup goes, and only after a new one is on disk."""
    gone = tuple(backups_in(folder)[:-keep]) if keep else ()
    for path in gone:
        path.unlink()
    return gone


def files_of(data_dir: Path) -> dict[str, str]:
    """The files that go with the store, as base 64."""
    import base64

    return {
        path.relative_to(data_dir).as_posix(): base64.b64encode(path.read_bytes()).decode()
        for folder in FOLDERS
        for path in sorted((data_dir / folder).rglob("*"))
        if path.is_file()
    }


def sync_folder(folder: Path) -> None:
    """What was made, renamed or removed in the folder is on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Conflict(FULL if full else UNWRITABLE, folder=folder, why=error.strerror or str(error)) from error
    except sqlite3.OperationalError as error:
        # It says "disk I/O error" when there is no room for the small files beside its own.
        full = "full" in str(error) or shutil.disk_usage(folder).free < 2**20
        raise Conflict(FULL if full else UNWRITABLE, folder=folder, why=str(error)) from error
