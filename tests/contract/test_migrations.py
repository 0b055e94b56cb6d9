"""The migrations make exactly the tables that the code knows, on both stores."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from community_flow.adapters.sql.migrate import upgrade
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.adapters.sql.tables import all_metadata


def test_migrated_tables_are_the_tables_of_the_code(database: SqlDatabase) -> None:
    with database.read() as tx:
        context = MigrationContext.configure(tx, opts={"include_object": _ours, "compare_type": False})
        assert compare_metadata(context, all_metadata()) == []


def test_migrating_again_changes_nothing(database: SqlDatabase) -> None:
    with database.write() as tx:
        tx.exec_driver_sql(
            "INSERT INTO communities (community, uid, created_ms) VALUES ('garden', '0123456789abcdef', 1)"
        )
    upgrade(database.url.render_as_string(hide_password=False))
    with database.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM communities").scalar() == 1


def _ours(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """Alembic's own table is not in our metadata; the temporary table of questions is not in the store."""
    return not (kind == "table" and name in ("alembic_version", "asked"))
