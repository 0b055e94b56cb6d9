"""Fixtures of survival tests: stores that may be killed, so none that other tests use."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from community_flow.settings import Settings
from tests.conftest import REQUIRED
from tests.services import Missing
from tests.stores import empty
from tests.survival.parts import PostgresPart, RedisPart, postgresql_folder, running


@pytest.fixture
def seed() -> int:
    """Printed, so that a failure can be repeated (as far as processes can)."""
    chosen = secrets.randbelow(10**6)
    print(f"seed {chosen}")
    return chosen


def _there(missing: Missing) -> None:
    if REQUIRED:
        raise missing
    pytest.skip(str(missing))


@pytest.fixture(scope="session")
def cluster() -> Iterator[PostgresPart]:
    """One folder for all tests here; its server may have been killed any number of times."""
    with postgresql_folder() as folder:
        try:
            part = PostgresPart(folder)
        except Missing as missing:
            _there(missing)
        with running(part):
            yield part


@pytest.fixture
def postgres(cluster: PostgresPart) -> PostgresPart:
    """An empty PostgreSQL that runs and was not killed yet."""
    if cluster.ended():
        cluster.start()
    empty(cluster.url)
    cluster.kills = 0
    return cluster


@pytest.fixture
def redis_part() -> Iterator[RedisPart]:
    """A Redis of this test's own, running."""
    try:
        part = RedisPart()
    except Missing as missing:
        _there(missing)
    with running(part):
        yield part


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = request.getfixturevalue("postgres").url if request.param == "postgresql" else None
    return Settings(data_dir=tmp_path / "var", database_url=url)
