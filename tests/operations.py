"""What tests of operations share: commands as an admin types them, and a small store with a bit of everything."""

from __future__ import annotations

import gc
import os
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

from click.testing import CliRunner, Result

from community_flow.commands import main
from community_flow.domain.places import Device, Pass, Person
from community_flow.domain.scope import Role
from community_flow.services.registry import Change
from community_flow.settings import Settings
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.flow import flow_parts
from tests.conftest import prepared
from tests.factories import an_account, small_community
from tests.fakes_flow import CAMERA, MORNING_MS, FlowKit, count, scan
from tests.stores import another_database

LIN = "p_" + "l" * 12
CARD = "ps_" + "01" * 16


def environment(settings: Settings, **extra: str) -> dict[str, str]:
    """FLOW_* of these settings, and nothing of the test's own environment."""
    given = {
        "FLOW_DATA_DIR": str(settings.data_dir.resolve()), "FLOW_DATABASE_URL": settings.database_url,
        "FLOW_REDIS_URL": settings.redis_url, "FLOW_KEY_FILE": settings.key_file and str(settings.key_file),
    }  # fmt: skip
    return {**{name: value for name, value in given.items() if value}, **extra}


def command(settings: Settings, *arguments: str | Path, **extra: str) -> Result:
    """A command, in this process."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FLOW_")}
    with mock.patch.dict(os.environ, {**clean, **environment(settings, **extra)}, clear=True):
        done = CliRunner().invoke(main, [str(each) for each in arguments])
    with warnings.catch_warnings():  # a command leaves its connections to the end of its process
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    return done


def filled(settings: Settings) -> Core:
    """The small community with an account, a resident, a device, some scans and counts, all folded."""
    core = prepared(settings)
    small_community(core)
    kit = FlowKit(core)
    kit.register(
        Change("garden", "person", LIN, 0, Person()),
        Change("garden", "pass", CARD, 0, Pass(person=LIN)),
        Change("garden", "device", CAMERA, 0, Device(names={"en": "West camera"}, gate="west", kind="camera")),
    )
    an_account(core, Role.STEWARD, login="steward-of-garden")
    minute = 60_000
    kit.fold(
        scan(MORNING_MS, CARD), scan(MORNING_MS + 30 * minute, CARD, direction="out"), scan(MORNING_MS + minute, CARD),
        count(MORNING_MS + 5 * minute), count(MORNING_MS + 6 * minute),
    )  # fmt: skip
    return core


def contents(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, sorted."""
    from community_flow.adapters.sql.tables import all_metadata

    core = build_core(settings)
    with closing(core.db), core.db.read() as tx:
        return {
            table.name: sorted((tuple(row) for row in tx.execute(table.select())), key=repr)
            for table in all_metadata().sorted_tables
        }


def equal_after_rebuild(settings: Settings) -> bool:
    core = build_core(settings)
    with closing(core.db):
        with core.db.read() as tx:
            known = core.registry.store.communities(tx)
        return bool(known) and not [table for each in known for table in flow_parts(core).flow.check(each)]


@contextmanager
def another_store(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """An empty installation of the same kind: a folder, and on PostgreSQL a database of its own."""
    folder = tmp_path / f"other-{uuid.uuid4().hex[:6]}"
    if settings.database_url is None:
        yield replace(settings, data_dir=folder)
        return
    with another_database(settings.database_url) as url:
        yield replace(settings, data_dir=folder, database_url=url)
