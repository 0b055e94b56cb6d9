"""Back from a backup: everything of it or nothing.

First all of it is looked at, then it is made ready beside what is there (the files in `restore/` of the data folder,
the rows of PostgreSQL in a transaction that is not committed), then it takes the place of the old. From the mark READY
on an interrupted restore is finished by the next start; before it, nothing has changed.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from community_flow.domain.errors import Conflict
from community_flow.ports import Transaction
from community_flow.ports.backup import Opened, StoreCopy
from community_flow.services.backup import FILES_PART, FOLDERS, sync_folder

STAGED, MARK = "restore", "READY"
STORE_FILE, STORE_PART = "flow.sqlite", "store.sqlite"
FILLED = (
    "There are people or reports here already. To lose them and have what is in the backup: --replace. "
    "To keep them, make a backup of them first."
)
TOO_NEW = (
    "This backup was made by a newer Community Flow (%(version)s, tables at revision %(found)s; this version knows "
    "%(known)s): install that version, then restore."
)
STRANGE_FILE = "The backup names the file %(name)s, which no backup holds: nothing was changed."
NOT_WHOLE = "The audit log in the backup is broken at row %(row)s: it was altered before the backup was made."


@dataclass(frozen=True)
class Restored:
    rows: Mapping[str, int]
    made: str


class Restore:
    """``seal`` logs the restore in the store that is made ready, with the keys of the backup in the given folder, and
    gives the word by which that store is known afterwards."""

    def __init__(
        self, store: StoreCopy, data_dir: Path, revisions: tuple[str, ...], seal: Callable[[Transaction, Path], str]
    ) -> None:
        self.store, self.data_dir, self.revisions, self.seal = store, data_dir, revisions, seal

    def run(self, opened: Opened, *, replace: bool) -> Restored:
        """The caller holds the data folder and the store alone. Raises Conflict; then nothing has changed."""
        check(opened, self.revisions)
        if self.store.filled() and not replace:
            raise Conflict(FILLED)
        staged = self.data_dir / STAGED
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(mode=0o700)
        try:
            _stage_files(opened, staged)
            self._make_ready(opened, staged)
        except BaseException:
            # After the mark a transaction may be committed although its answer was lost: `finish` finds out.
            if not (staged / MARK).exists():
                shutil.rmtree(staged, ignore_errors=True)
            raise
        take_place(self.data_dir)
        return Restored(opened.manifest["rows"], opened.manifest["made"])

    def _make_ready(self, opened: Opened, staged: Path) -> None:
        """A store that is a file is marked when it is whole on disk; another one before it commits, so that its keys
        follow it whenever it did."""
        words: list[str] = []

        def ready(tx: Transaction) -> None:
            words.append(self.seal(tx, staged))
            if not self.store.is_file:
                _mark(staged, words[0])

        self.store.restore(opened, staged, ready)
        if self.store.is_file:
            _mark(staged, words[0])


def _mark(staged: Path, word: str) -> None:
    _sync(staged)
    unfinished = staged / f"{MARK}.new"
    unfinished.write_text(word)
    _sync(staged)
    os.replace(unfinished, staged / MARK)
    sync_folder(staged)


def check(opened: Opened, revisions: tuple[str, ...]) -> None:
    """Every byte as it was written, and of a version that this one understands."""
    opened.verify()
    if opened.manifest["revision"] not in revisions:
        raise Conflict(
            TOO_NEW, version=opened.manifest["version"], found=opened.manifest["revision"], known=revisions[-1]
        )


def interrupted(data_dir: Path) -> bool:
    return (data_dir / STAGED / MARK).exists()


def finish(data_dir: Path, word_now: Callable[[], str] | None) -> bool:
    """Bring an interrupted restore to its end; ``word_now`` says which store there is, None when it is a file.

    Gives whether the backup is in place.
    """
    staged = data_dir / STAGED
    if word_now is not None and word_now() != (staged / MARK).read_text():
        shutil.rmtree(staged)  # the store's transaction was not committed: the old state is whole
        return False
    take_place(data_dir)
    return True


def take_place(data_dir: Path) -> None:
    """Put what is staged in the place of the old. Each step may be done twice."""
    staged = data_dir / STAGED
    if (staged / STORE_PART).exists():
        for end in ("-wal", "-shm"):
            (data_dir / f"{STORE_FILE}{end}").unlink(missing_ok=True)
        os.replace(staged / STORE_PART, data_dir / STORE_FILE)
    for folder in FOLDERS:
        if (staged / folder).is_dir():
            old = staged / f"old-{folder}"
            with suppress(FileNotFoundError):
                os.rename(data_dir / folder, old)
            os.rename(staged / folder, data_dir / folder)
    sync_folder(data_dir)
    (staged / MARK).unlink()
    sync_folder(staged)
    shutil.rmtree(staged)


def _stage_files(opened: Opened, staged: Path) -> None:
    found: dict[str, str] = json.loads(b"".join(opened.content(FILES_PART)))
    for name, content in found.items():
        inside = PurePosixPath(name)
        if inside.parts[0] not in FOLDERS or ".." in inside.parts or len(inside.parts) < 2:
            raise Conflict(STRANGE_FILE, name=name)
        path = staged / inside
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64decode(content))


def _sync(folder: Path) -> None:
    """Every file below the folder is on disk."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
