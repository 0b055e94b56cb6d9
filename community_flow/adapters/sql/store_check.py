"""What `doctor` says of the store."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from community_flow.adapters.sql.migrate import head, state_in
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.ports.health import Finding, mend, ok

WANTED = {
    "fsync": (("on",), "an acknowledged report may be lost by a power cut"),
    "synchronous_commit": (("on", "local", "remote_apply", "remote_write"), "acknowledged reports may be lost"),
    "full_page_writes": (("on",), "a power cut may damage the store"),
    "server_encoding": (("UTF8",), "Chinese names cannot be kept"),
}
"""Setting of PostgreSQL -> what it may be, and what happens otherwise."""

OLDEST_POSTGRESQL = 130_000
LEAST_CONNECTIONS = 60


def look(db: SqlDatabase) -> Iterator[Finding]:
    """Whether it answers, its tables, and its settings."""
    try:
        with db.read() as tx:
            yield ok("The store answers.")
            yield _tables(tx)
            yield from _sqlite(tx) if db.is_sqlite else _postgresql(tx)
    except SQLAlchemyError as error:
        yield mend(f"The store does not answer ({type(error).__name__}): look at FLOW_DATABASE_URL, then run `init`.")


def _tables(tx: Connection) -> Finding:
    state = state_in(tx)
    if state.current:
        return ok(f"Its tables are at revision {head()}, as this version needs them.")
    if state.too_new:
        return mend(f"Its tables are of a newer version (revision {state.revision}): install that version again.")
    return mend(f"Its tables are at revision {state.revision or 'none'}, {head()} is needed: run `init` once, while no "
                "server runs.")  # fmt: skip


def _sqlite(tx: Connection) -> Iterator[Finding]:
    mode = tx.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    full = tx.exec_driver_sql("PRAGMA synchronous").scalar_one()
    version = tx.exec_driver_sql("SELECT sqlite_version()").scalar_one()
    if (mode, full) == ("wal", 2):
        yield ok(f"SQLite {version}, each commit on disk before it is answered.")
    else:
        yield mend(f"SQLite {version} is in mode {mode}, synchronous {full}: is something else writing to the file?")


def _postgresql(tx: Connection) -> Iterator[Finding]:
    version = int(tx.exec_driver_sql("SHOW server_version_num").scalar_one())
    if version < OLDEST_POSTGRESQL:
        yield mend(f"PostgreSQL {version // 10_000} is too old: 13 or newer is needed.")
    else:
        yield ok(f"PostgreSQL {version // 10_000}.{version % 10_000}.")
    for name, (wanted, otherwise) in WANTED.items():
        found = tx.exec_driver_sql(f"SHOW {name}").scalar_one()
        if found in wanted:
            yield ok(f"{name} is {found}.")
        else:
            yield mend(f"{name} is {found}: {otherwise}. Set it to {wanted[0]}.")
    connections = int(tx.exec_driver_sql("SHOW max_connections").scalar_one())
    if connections < LEAST_CONNECTIONS:
        yield mend(f"max_connections is {connections}: two workers and their commands may need {LEAST_CONNECTIONS}.")
