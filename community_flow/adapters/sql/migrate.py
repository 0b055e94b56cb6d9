"""Bring the store to this version's tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from community_flow.adapters.sql.store import SqlDatabase
from community_flow.domain.errors import Conflict

FOLDER = Path(__file__).parent / "migrations"
TOO_NEW = (
    "This store was made by a newer Community Flow (its tables are at revision %(found)s, this version knows "
    "%(known)s): install that version again, or restore a backup that was made before the upgrade."
)
TOO_OLD = (
    "The tables of this store are at revision %(found)s, this version needs %(known)s: "
    "run `python -m community_flow init` once, while no server runs."
)

AWAY = "The store does not answer (%(why)s): look at FLOW_DATABASE_URL, and whether PostgreSQL runs."


@dataclass(frozen=True)
class StoreState:
    """Where the tables of a store stand; ``revision`` is None for an empty store."""

    revision: str | None

    @property
    def current(self) -> bool:
        return self.revision == head()

    @property
    def too_new(self) -> bool:
        return self.revision is not None and self.revision not in revisions()


def revisions() -> tuple[str, ...]:
    """Every revision that this version knows, oldest first."""
    return _revisions()


@cache
def _revisions() -> tuple[str, ...]:
    found = ScriptDirectory(str(FOLDER)).walk_revisions()
    return tuple(reversed([each.revision for each in found]))


def head() -> str:
    """The revision that this version works with."""
    return revisions()[-1]


def state_in(tx: Connection) -> StoreState:
    return StoreState(MigrationContext.configure(tx).get_current_revision())


def state_of(db: SqlDatabase) -> StoreState:
    """Raises Conflict when the store is away."""
    try:
        with db.read() as tx:
            return state_in(tx)
    except OperationalError as error:
        raise Conflict(AWAY, why=type(error.orig).__name__) from error


def refuse_other(db: SqlDatabase) -> None:
    """Raise Conflict unless the tables are exactly those of this version."""
    state = state_of(db)
    if state.too_new:
        raise Conflict(TOO_NEW, found=state.revision, known=head())
    if not state.current:
        raise Conflict(TOO_OLD, found=state.revision or "none", known=head())


def upgrade(url: str, to: str = "head") -> None:
    """Run the migrations that are missing, in one transaction. Raises Conflict for a store of a newer version."""
    database = SqlDatabase(url)
    try:
        with database.write() as tx:
            upgrade_in(tx, to)
    finally:
        database.close()


def upgrade_in(tx: Connection, to: str = "head") -> None:
    """The same in the caller's transaction."""
    state = state_in(tx)
    if state.too_new:
        raise Conflict(TOO_NEW, found=state.revision, known=head())
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = tx
    command.upgrade(config, to)
