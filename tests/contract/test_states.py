"""From every state that somebody may have up to this version, on both stores; and what refuses to go up or down."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Boolean, Connection, MetaData

from community_flow.adapters.sql.copy_postgresql import _set_sequences
from community_flow.adapters.sql.migrate import head, revisions, upgrade
from community_flow.adapters.sql.presence import LOCK
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.app import create_app
from community_flow.commands.server import hold_data_folder
from community_flow.domain.errors import Conflict
from community_flow.settings import Settings
from community_flow.wiring.core import build_core
from tests.operations import command, equal_after_rebuild
from tests.states import RELEASED
from tests.states.freeze import HERE, thawed, value

Rows = dict[str, list[dict[str, Any]]]


def test_every_released_revision_has_its_state() -> None:
    assert set(RELEASED) <= set(revisions())
    assert {path.name.partition(".")[0] for path in HERE.glob("*.json.gz")} == set(RELEASED)


def restored(settings: Settings, revision: str) -> Rows:
    """The frozen state, in a store at its own revision."""
    state = thawed(revision)
    for name, content in state["files"].items():
        path = settings.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(content))
        path.chmod(0o600)
    upgrade(settings.store_url, revision)
    with (database := SqlDatabase(settings.store_url)).write() as tx:
        for name, table in state["tables"].items():
            fill(tx, name, [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]])
        if not database.is_sqlite:
            _set_sequences(tx)
        found = everything(tx)
    database.close()
    return found


def fill(tx: Connection, name: str, rows: list[dict[str, Any]]) -> None:
    metadata = MetaData()
    metadata.reflect(tx, only=[name])
    table = metadata.tables[name]
    booleans = {column.name for column in table.columns if isinstance(column.type, Boolean)}
    if rows:
        tx.execute(table.insert(), [
            {column: bool(value(plain)) if column in booleans and plain is not None else value(plain)
             for column, plain in row.items()} for row in rows
        ])  # fmt: skip


def everything(tx: Connection) -> Rows:
    metadata = MetaData()
    metadata.reflect(tx)
    return {
        name: sorted((dict(row._mapping) for row in tx.execute(table.select())), key=repr)
        for name, table in metadata.tables.items() if name not in ("alembic_version", "asked")
    }  # fmt: skip


def now_in(settings: Settings) -> Rows:
    database = SqlDatabase(settings.store_url)
    with database.read() as tx:
        found = everything(tx)
    database.close()
    return found


MAY_GROW = {"dirty": "0005 marks the counts of every gate, so that the fold writes its new column"}
"""Tables into which a migration puts rows on purpose."""


def is_still_there(old: Rows, new: Rows) -> None:
    """Each old row, by the columns that both revisions know. A migration that changes values on purpose is to say so
    here, with its reason."""
    for name, rows in old.items():
        assert name in new, f"the table {name} is gone: say in this test where its rows went"
        known = sorted(set(rows[0]) & set(new[name][0])) if rows else []
        before, after = (Counter(repr([row[column] for column in known]) for row in some) for some in (rows, new[name]))
        assert not before - after, f"rows of {name} are gone or changed"
        assert name in MAY_GROW or len(new[name]) == len(rows), f"a migration put rows into {name}"


@pytest.mark.parametrize("revision", RELEASED)
def test_a_released_state_comes_up_whole(settings: Settings, revision: str) -> None:
    old = restored(settings, revision)
    for step in revisions()[revisions().index(revision) + 1 :]:  # one by one: each state between is a way up, too
        upgrade(settings.store_url, step)
    is_still_there(old, now_in(settings))
    assert command(settings, "init").exit_code == 0
    assert equal_after_rebuild(settings)
    core = build_core(settings)
    assert core.audit.verify().rows == len(old["audit"])
    assert core.audit.verify().broken_at is None
    core.db.close()
    listed = command(settings, "device", "list")
    assert listed.exit_code == 0, listed.output
    assert len(listed.output.splitlines()) >= 3


@pytest.mark.parametrize("revision", RELEASED)
def test_a_command_brings_an_old_store_up_at_once(settings: Settings, revision: str) -> None:
    old = restored(settings, revision)
    assert command(settings, "init").exit_code == 0
    is_still_there(old, now_in(settings))
    with (database := SqlDatabase(settings.store_url)).read() as tx:
        assert tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == head()
    database.close()


def test_nothing_is_migrated_under_a_running_server(settings: Settings, tmp_path: Path) -> None:
    upgrade(settings.store_url, "0001")
    if settings.database_url is None:
        settings.data_dir.mkdir(exist_ok=True)
        with hold_data_folder(settings):
            done = command(settings, "init")
        assert "Another server" in done.output
    else:
        with psycopg.connect(settings.database_url, application_name="an old server") as server:
            server.execute("SELECT pg_advisory_lock_shared(%s)", [LOCK])
            done = command(settings, "init")
        assert "an old server (process" in done.output
    assert done.exit_code == 1
    assert command(settings, "init").exit_code == 0


def test_a_server_does_not_work_on_tables_of_another_version(settings: Settings) -> None:
    assert command(settings, "init").exit_code == 0
    with (database := SqlDatabase(settings.store_url)).write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for words in (("serve",), ("init",), ("device", "list")):
        done = command(settings, *words)
        assert done.exit_code == 1
        assert "made by a newer Community Flow" in done.output
        assert "install that version" in done.output
    with pytest.raises(Conflict, match="newer"):
        create_app(settings)
    if head() != "0001":
        with database.write() as tx:
            tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        with pytest.raises(Conflict, match="init"):
            create_app(settings)
    database.close()


def test_a_store_that_is_away_is_said_in_one_sentence(tmp_path: Path) -> None:
    done = command(Settings(data_dir=tmp_path, database_url="postgresql://flow@127.0.0.1:9/flow"), "init")
    assert done.exit_code == 1
    assert "look at FLOW_DATABASE_URL" in done.output
