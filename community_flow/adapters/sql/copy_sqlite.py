"""Copies of a SQLite store: by its online backup, which sees one moment and stops nobody."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from community_flow.adapters.sql.migrate import upgrade_in
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.domain.errors import Conflict
from community_flow.ports import Transaction
from community_flow.ports.backup import Archive, Copied, Opened

PART = "store.sqlite"
PIECE = 2**20
OTHER_STORE = "This is a backup of %(found)s, and the store here is SQLite: unset or set FLOW_DATABASE_URL accordingly."
DAMAGED = "The copy of the store is damaged (%(why)s): look at the disk, and at the store with `doctor`."


class SqliteCopy:
    kind = "sqlite"
    is_file = True

    def __init__(self, db: SqlDatabase) -> None:
        self.db = db
        self.path = Path(db.url.database or "")

    def copy(self, archive: Archive, work: Path) -> Copied:
        target = work / PART
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(target)) as copied:
            # All pages in one step: writers go on in the log meanwhile, and are not in the copy.
            source.backup(copied, pages=-1)
            found = _described(copied)
        with archive.part(PART) as sink, target.open("rb") as file:
            while piece := file.read(PIECE):
                sink.write(piece)
        return found

    def filled(self) -> bool:
        if not self.path.exists():
            return False
        with closing(sqlite3.connect(self.path)) as store:
            return any(store.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone() for name in _tables(store))  # noqa: S608 - names of tables, from the store itself

    def restore(self, opened: Opened, staged: Path, ready: Callable[[Transaction], None]) -> None:
        if opened.manifest["store"] != self.kind:
            raise Conflict(OTHER_STORE, found=opened.manifest["store"])
        target = staged / PART
        with target.open("wb") as file:
            os.chmod(target, 0o600)
            for piece in opened.content(PART):
                file.write(piece)
        with closing(sqlite3.connect(target)) as store:
            _described(store)
        bring_up(target, ready)


def bring_up(path: Path, ready: Callable[[Transaction], None]) -> None:
    """Migrate a copy, and leave it as one file that is on disk."""
    db = SqlDatabase(f"sqlite:///{path}")
    try:
        with db.write() as tx:
            upgrade_in(tx)
            ready(tx)
    finally:
        db.close()
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA journal_mode=DELETE")
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def _described(store: sqlite3.Connection) -> Copied:
    """What is in a copy, after a look at whether it is whole."""
    store.execute("PRAGMA journal_mode=DELETE")
    found = store.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise Conflict(DAMAGED, why=found)
    revision = store.execute("SELECT version_num FROM alembic_version").fetchone()
    rows = {name: store.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in _tables(store)}  # noqa: S608 - as above
    return Copied(revision[0], rows, {})


def _tables(store: sqlite3.Connection) -> list[str]:
    found = store.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return sorted(name for (name,) in found if name != "alembic_version")
