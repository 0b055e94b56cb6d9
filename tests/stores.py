"""Tables of this version, made by the migrations once for all tests: a file is copied, a schema is wiped and taken up.

To migrate an empty store takes longer than most tests do. What the migrations make is for tests/contract to judge
(test_migrations.py, test_states.py).
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from community_flow.adapters.sql.migrate import state_of, upgrade
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.settings import Settings

_LOOKS: dict[str, str | None] = {}
"""What the tables that this process made by migrations look like, by the URL of the PostgreSQL they are in."""

LOOK = """
SELECT md5(string_agg(line, ';' ORDER BY line)) FROM (
    SELECT concat_ws(' ', 'relation', oid, relname) AS line FROM pg_class WHERE relnamespace = %(schema)s::regnamespace
    UNION ALL SELECT concat_ws(' ', 'column', attrelid, attname, atttypid, attnotnull, atthasdef, attisdropped)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = %(schema)s::regnamespace
    UNION ALL SELECT concat_ws(' ', 'constraint', oid, convalidated) FROM pg_constraint
        WHERE connamespace = %(schema)s::regnamespace
    UNION ALL SELECT concat_ws(' ', 'routine', oid) FROM pg_proc WHERE pronamespace = %(schema)s::regnamespace
    UNION ALL SELECT concat_ws(' ', 'trigger', pg_trigger.oid, tgenabled) FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid WHERE relnamespace = %(schema)s::regnamespace
) AS everything
"""
"""By the numbers that PostgreSQL gives: a table that was dropped and made again is another one."""

REWIND = """
SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences
WHERE schemaname = 'public' AND last_value IS NOT NULL
"""


def make_tables(url: str) -> None:
    """Bring a store to this version's tables, as `upgrade` does, but without its work where it was done before."""
    if make_url(url).get_backend_name() == "sqlite":
        _on_sqlite(url)
    elif not _is_current(url):
        _on_postgresql(url)


def _on_sqlite(url: str) -> None:
    path = Path(make_url(url).database or "")
    if path.exists():
        upgrade(url)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_template())


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory(prefix="flow-template-") as folder:
        path = Path(folder) / "flow.db"
        upgrade(f"sqlite:///{path}")
        assert [each.name for each in Path(folder).iterdir()] == [path.name], "what is in the log would be left behind"
        return path.read_bytes()


def _is_current(url: str) -> bool:
    database = SqlDatabase(url)
    try:
        return state_of(database).current
    finally:
        database.close()


def _on_postgresql(url: str) -> None:
    with _talking(url) as line:
        if _is_bare(line) and url in _LOOKS and _look(line, "kept") == _LOOKS[url]:
            line.execute("DROP SCHEMA public")
            line.execute("ALTER SCHEMA kept RENAME TO public")
            return
        was_bare = _is_bare(line)
    upgrade(url)
    if was_bare:
        with _talking(url) as line:
            _LOOKS[url] = _look(line, "public")


def empty(url: str) -> None:
    """A PostgreSQL without any table; those of this version are put aside for the next test when they are unharmed."""
    with _talking(url) as line:
        if url in _LOOKS and _look(line, "public") == _LOOKS[url]:
            _wipe(line)
            line.execute("DROP SCHEMA IF EXISTS kept CASCADE")
            line.execute("ALTER SCHEMA public RENAME TO kept")
        else:
            line.execute("DROP SCHEMA public CASCADE")
        line.execute("CREATE SCHEMA public")


@contextmanager
def another_database(url: str, like: str | None = None) -> Iterator[str]:
    """A database of its own beside another: empty, or as ``like``, with which nobody may be connected, is now."""
    name = f"other_{uuid.uuid4().hex[:12]}"
    template = f" TEMPLATE {make_url(like).database} STRATEGY file_copy" if like else ""
    with psycopg.connect(url, autocommit=True) as line:
        line.execute(f"CREATE DATABASE {name}{template}".encode())
        try:
            yield url.rpartition("/")[0] + f"/{name}"
        finally:
            line.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def copied(settings: Settings, folder: Path) -> Iterator[Settings]:
    """An installation as another is now, which nobody has open: what is made once is given to many to change."""
    shutil.copytree(settings.data_dir, folder)
    if settings.database_url is None:
        yield replace(settings, data_dir=folder)
        return
    with another_database(settings.database_url.rpartition("/")[0] + "/postgres", settings.database_url) as url:
        yield replace(settings, data_dir=folder, database_url=url)


def _wipe(line: psycopg.Connection) -> None:
    """Only tables that hold something: to truncate all of them takes as long as to make them."""
    names = [row[0] for row in line.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    names.remove("alembic_version")
    full = [name for name in names if _first(line, f'SELECT EXISTS (SELECT FROM "{name}")')]
    if full:
        line.execute(f"TRUNCATE {', '.join(full)} CASCADE".encode())
    line.execute(REWIND)


def _is_bare(line: psycopg.Connection) -> bool:
    return not _first(line, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")


def _look(line: psycopg.Connection, schema: str) -> str | None:
    """None when there is no such schema, or nothing in it."""
    if not _first(line, "SELECT count(*) FROM pg_namespace WHERE nspname = %(schema)s", schema):
        return None
    found = _first(line, LOOK, schema)
    return None if found is None else str(found)


def _first(line: psycopg.Connection, query: str, schema: str | None = None) -> object:
    row = line.execute(query.encode(), None if schema is None else {"schema": schema}).fetchone()
    return row and row[0]


def _talking(url: str) -> psycopg.Connection:
    """Whoever of an earlier test still holds a lock is waited for a while, then named by an error."""
    return psycopg.connect(url, options="-c lock_timeout=120s")
