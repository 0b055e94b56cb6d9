"""Backup and restore of either store, and the backup of each night."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import structlog
from flask import Flask

from community_flow import __version__
from community_flow.adapters.archive import ArchiveReader, ArchiveWriter, Secret
from community_flow.adapters.clock import SteadyClock
from community_flow.adapters.keys import KeyRing
from community_flow.adapters.locks import folder_lock
from community_flow.adapters.sql.copy_postgresql import PostgresqlCopy
from community_flow.adapters.sql.copy_sqlite import SqliteCopy
from community_flow.adapters.sql.migrate import revisions
from community_flow.adapters.sql.queries_audit import SqlAudit
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.domain.errors import Conflict
from community_flow.domain.local_days import LocalDays
from community_flow.ports import Transaction
from community_flow.ports.audit import Look
from community_flow.ports.backup import StoreCopy
from community_flow.services.audit import Audit
from community_flow.services.backup import Backup, newest_in
from community_flow.services.restore import NOT_WHOLE, Restore, finish
from community_flow.settings import BadSetting, Settings
from community_flow.wiring.core import Core

log = structlog.get_logger()

NIGHT_HOUR = 3
LOOK_EVERY_S = 300.0
LEAST_PASSPHRASE = 12
IN_CLEAR = (
    "Nothing to seal the backup with: set FLOW_KEY_FILE, or give a passphrase in a file (--passphrase-file, or "
    "FLOW_BACKUP_PASSPHRASE_FILE). Whoever gets hold of a backup that is not sealed reads every name and has every "
    "key; --in-clear makes such a one."
)


def store_copy(settings: Settings, db: SqlDatabase) -> StoreCopy:
    if not db.is_sqlite:
        return PostgresqlCopy(db)
    if Path(db.url.database or "").parent != settings.data_dir:
        raise BadSetting("Backups are of the SQLite file in the data folder: unset FLOW_DATABASE_URL.")
    return SqliteCopy(db)


def backup_of(core: Core, secret: Secret | None) -> Backup:
    settings = core.settings
    about = {
        "version": __version__, "python": platform.python_version(),
        "settings": {
            "FLOW_TIMEZONE": settings.timezone, "FLOW_RETENTION_DAYS": settings.retention_days,
            "keys_wrapped": settings.key_file is not None,
        },
    }  # fmt: skip
    return Backup(
        store_copy(settings, core.db), settings.data_dir, about, lambda file: ArchiveWriter(file, secret), folder_lock,
        core.clock,
    )  # fmt: skip


def secret_to_seal(settings: Settings, passphrase_file: Path | None, *, in_clear: bool) -> Secret | None:
    """What a new backup is sealed with; raises Conflict when there is nothing and nobody asked for that."""
    known = secrets_known(settings, passphrase_file)
    for by in ("a passphrase", "a key file"):
        if by in known:
            return known[by]
    if not in_clear:
        raise Conflict(IN_CLEAR)
    return None


def secrets_known(settings: Settings, passphrase_file: Path | None) -> dict[str, Secret]:
    found = {}
    passphrase = passphrase_file or settings.backup_passphrase_file
    if passphrase is not None:
        words = _read(passphrase).strip()
        if len(words) < LEAST_PASSPHRASE:
            raise BadSetting(
                f"The passphrase in {passphrase} has under {LEAST_PASSPHRASE} characters: take a longer one."
            )
        found["a passphrase"] = Secret("a passphrase", words)
    if settings.key_file is not None:
        found["a key file"] = Secret("a key file", _read(settings.key_file))
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadSetting(f"{path} cannot be read: {error.strerror}.") from error


def open_backup(settings: Settings, path: Path, passphrase_file: Path | None) -> ArchiveReader:
    return ArchiveReader(path, secrets_known(settings, passphrase_file))


def restore_of(settings: Settings, db: SqlDatabase) -> Restore:
    return Restore(
        store_copy(settings, db), settings.data_dir, revisions(), lambda tx, staged: _seal(settings, tx, staged)
    )


def _seal(settings: Settings, tx: Transaction, staged: Path) -> str:
    """The backup's log is whole under the backup's own key, and from now on it says that this was restored."""
    key = KeyRing(staged / "keys", settings.key_file).now("audit").secret
    audit = Audit(_Within(tx), SqlAudit(), key, SteadyClock())
    verified = audit.verify()
    if verified.broken_at is not None:
        raise Conflict(NOT_WHOLE, row=verified.broken_at)
    audit.append(tx, Look(account="command line", role="", action="backup.restore"))
    return word_in(tx)


def word_in(tx: Transaction) -> str:
    """A word that only this state of a store has: the end of its log."""
    number, chain = SqlAudit().last(tx)
    return f"{number} {chain.hex()}"


class _Within:
    """The store as one open transaction sees it."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx

    def read(self) -> _Within:
        return self

    write = read

    def __enter__(self) -> Transaction:
        return self.tx

    def __exit__(self, *_: object) -> None:
        pass


def finish_restore(settings: Settings) -> None:
    """What an interrupted restore left to be done; the caller holds the data folder."""
    db = SqlDatabase(settings.store_url)
    try:
        done = finish(settings.data_dir, None if db.is_sqlite else lambda: _word(db))
    finally:
        db.close()
    log.warning("restore finished" if done else "restore undone")


def _word(db: SqlDatabase) -> str:
    with db.read() as tx:
        return word_in(tx)


class Nightly:
    """A backup a night into FLOW_BACKUP_DIR, by a process of its own that gives way to everything else."""

    def __init__(self, core: Core) -> None:
        self.core, self.settings = core, core.settings

    def start(self) -> None:
        if self.settings.backup_dir is not None:
            threading.Thread(target=self._run, name="backup", daemon=True).start()

    def due(self) -> bool:
        """Whether the last three in the morning is newer than the newest backup."""
        assert self.settings.backup_dir is not None
        newest = newest_in(self.settings.backup_dir)
        return newest is None or newest[1] < last_night_ms(self.settings.timezone, self.core.clock.now_ms())

    def look(self) -> bool:
        """Make one when it is due, unless another process of this installation is at it; gives whether one was made."""
        folder = self.settings.data_dir / "nightly"
        folder.mkdir(exist_ok=True, mode=0o700)
        with folder_lock(folder) as mine:
            return mine and self.due() and self._make()

    def _make(self) -> bool:
        folder, keep = str(self.settings.backup_dir), str(self.settings.backup_keep)
        command = ["nice", "-n", "10", sys.executable, "-m", "community_flow", "backup", folder, "--keep", keep]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
        if done.returncode == 0:
            log.info("backup made")
        else:
            log.error("backup failed", said=done.stderr.strip()[-500:])
        return done.returncode == 0

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            try:
                self.look()
            except Exception:  # the thread's outermost loop: the next look is in five minutes
                log.exception("backup failed")


def newest_backup_s(settings: Settings) -> float | None:
    """When the newest backup of FLOW_BACKUP_DIR was begun; 0 when there is none, None when no folder is set."""
    if settings.backup_dir is None:
        return None
    newest = newest_in(settings.backup_dir)
    return 0.0 if newest is None else newest[1] / 1000


def wire(core: Core, app: Flask) -> None:
    core.background.append(Nightly(core).start)


def last_night_ms(timezone: str, now_ms: int) -> int:
    days = LocalDays(timezone, NIGHT_HOUR)
    return days.start_ms(days.day(now_ms))
