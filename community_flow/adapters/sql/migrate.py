"""Bring the store to this version's tables."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from community_flow.adapters.sql.store import SqlDatabase

FOLDER = Path(__file__).parent / "migrations"


def upgrade(url: str) -> None:
    """Run the migrations that are missing, in one transaction on PostgreSQL."""
    database = SqlDatabase(url)
    try:
        with database.write() as connection:
            config = Config()
            config.set_main_option("script_location", str(FOLDER))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        database.close()
