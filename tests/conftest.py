"""Fixtures that more than one level uses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from community_flow.adapters.keys import KeyRing
from community_flow.adapters.sql import store
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.app import create_app
from community_flow.domain.scope import Role
from community_flow.settings import Settings
from community_flow.wiring.core import Core, build_core
from tests.factories import an_account, small_community
from tests.processes import send_group
from tests.services import (
    PATIENCE_S,
    Missing,
    free_port,
    listens,
    mosquitto_server,
    patient,
    postgresql_server,
    redis_server,
    wait_until,
)
from tests.stores import empty, make_tables

ROOT = Path(__file__).parent.parent
REQUIRED = os.environ.get("CI") == "true" or os.environ.get("FLOW_TEST_ALL_SERVICES") == "1"


def pytest_configure() -> None:
    from hypothesis import settings

    # The blob that repeats a failure is printed; a slow machine must not fail a correct property.
    settings.register_profile("flow", deadline=None, print_blob=True)
    settings.load_profile("flow")


MAY_BE_ABSENT = ("FLOW_SHARED_DATA", "no right to mount", "there is nothing to migrate", "no keyboard")
"""Why a test may be skipped even where everything is required: what cannot be installed."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """In continuous integration a test that was skipped has not been run, which is a failure: a package is missing."""
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if not any(each in reason for each in MAY_BE_ABSENT):
            report.outcome, report.longrepr = "failed", f"skipped where everything is required: {reason}"
    return report


def _start(server: Any) -> Iterator[str]:
    try:
        with server() as url:
            yield url
    except Missing as missing:
        if REQUIRED:
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A real PostgreSQL on loopback; each test that asks empties what it wrote. Nobody pulls its plug: those whose plug
    is pulled are in tests/survival. This process waits for it, and for its locks, as long as every test does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "CONNECT_S", int(PATIENCE_S))
        patch.setattr(store, "SESSION", store.SESSION.replace(f"={store.LOCK_S}s", f"={int(PATIENCE_S)}s"))
        yield from _start(lambda: postgresql_server("-c", "fsync=off"))


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis on loopback."""
    yield from _start(redis_server)


@pytest.fixture(scope="session")
def mqtt_url() -> Iterator[str]:
    """A real Mosquitto on loopback: the backend's FLOW_MQTT_URL."""
    yield from _start(mosquitto_server)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data that others made; skips where they are absent."""
    folder = Path(os.environ.get("FLOW_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the shared data are not at {folder}: set FLOW_SHARED_DATA")
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an installation on either store; tests that need one store only use `sqlite_settings`."""
    if request.param == "sqlite":
        return Settings(data_dir=tmp_path / "var")
    url: str = request.getfixturevalue("postgresql_url")
    empty(url)
    return Settings(data_dir=tmp_path / "var", database_url=url)


@pytest.fixture
def sqlite_settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "var")


@pytest.fixture
def database(settings: Settings) -> Iterator[SqlDatabase]:
    """Empty tables on SQLite, then on PostgreSQL."""
    make_tables(settings.store_url)
    database = SqlDatabase(settings.store_url)
    yield database
    database.close()


@pytest.fixture
def core(settings: Settings) -> Iterator[Core]:
    """The shared services on either store."""
    core = prepared(settings)
    yield core
    core.db.close()


@pytest.fixture
def sqlite_core(sqlite_settings: Settings) -> Iterator[Core]:
    core = prepared(sqlite_settings)
    yield core
    core.db.close()


def prepared(settings: Settings) -> Core:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    KeyRing(settings.data_dir / "keys").ensure()
    make_tables(settings.store_url)
    return build_core(settings)


@pytest.fixture
def app_factory(sqlite_settings: Settings) -> Iterator[Callable[..., Flask]]:
    """create_app on an empty SQLite installation; `app_factory()` gives the same installation each time."""
    made: list[Flask] = []

    def make(settings: Settings = sqlite_settings, **arguments: Any) -> Flask:
        prepared(settings).db.close()
        app = create_app(settings, **arguments)
        app.testing = True
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["flow"].db.close()


@pytest.fixture
def app(app_factory: Callable[..., Flask]) -> Flask:
    """An application with the small community `garden` of tests/factories.py."""
    app = app_factory()
    small_community(app.extensions["flow"])
    return app


@pytest.fixture
def flow(app: Flask) -> Core:
    core: Core = app.extensions["flow"]
    return core


@pytest.fixture
def client_as(app: Flask) -> Callable[..., FlaskClient]:
    """A client that is signed in: `client_as("manager")`, with `csrf` put into every request."""

    def make(role: str | Role, **account: Any) -> FlaskClient:
        core: Core = app.extensions["flow"]
        signed_in = an_account(core, Role(role), **account)
        secret = core.accounts.make_token(signed_in.account, "test", "test")
        client = app.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
        return client

    return make


@dataclass(frozen=True)
class LiveServer:
    """A real `serve` process on loopback."""

    url: str
    settings: Settings
    pid: int
    login_link: str

    def core(self) -> Core:
        """The same store, opened a second time (as the command line does)."""
        return build_core(self.settings)


@pytest.fixture
def live_server(sqlite_settings: Settings) -> Iterator[LiveServer]:
    """`serve` as a process of its own, on an installation with the small community."""
    core = prepared(sqlite_settings)
    small_community(core)
    core.db.close()
    with serving(sqlite_settings) as server:
        yield server


class serving:  # noqa: N801 - used as a context manager, like a function
    """Start `serve`; ends it by pid. Extra environment and arguments as given."""

    def __init__(self, settings: Settings, *arguments: str, **environment: str) -> None:
        self.settings, self.arguments, self.environment = settings, arguments, environment

    def __enter__(self) -> LiveServer:
        port = free_port()
        environment = {
            **os.environ, **self.environment, "FLOW_DATA_DIR": str(self.settings.data_dir.resolve()),
            **({"FLOW_DATABASE_URL": self.settings.database_url} if self.settings.database_url else {}),
            **({"FLOW_REDIS_URL": self.settings.redis_url} if self.settings.redis_url else {}),
            **({"FLOW_MQTT_URL": self.settings.mqtt_url} if self.settings.mqtt_url else {}),
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip
        self.output = tempfile.NamedTemporaryFile("w+", suffix=".log")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "community_flow", "serve", "--port", str(port), *self.arguments],
            env=environment, cwd=ROOT, stdout=self.output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            wait_until(lambda: listens(port) or self.process.poll() is not None, "serve")
            assert self.process.poll() is None, self.log()
        except BaseException:
            self.stop()
            raise
        link = re.search(r"(/login/link/\S+)", self.log())
        secret = link.group(1) if link else ""
        return LiveServer(f"http://127.0.0.1:{port}", self.settings, self.process.pid, secret)

    def log(self) -> str:
        return Path(self.output.name).read_text()

    def stop(self) -> None:
        """End the whole group that this fixture started."""
        if self.process.poll() is None:
            send_group(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                send_group(self.process.pid, signal.SIGKILL)
                self.process.wait(PATIENCE_S)
        self.output.close()

    def __exit__(self, *_: object) -> None:
        self.stop()


CHROMIUM = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-quic", "--no-first-run",
]  # fmt: skip


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Debian's Chromium; a snap cannot be driven."""
    path = Path("/usr/bin/chromium")
    if not path.exists() or "snap" in os.path.realpath(path):
        if REQUIRED:
            raise Missing("Chromium is not installed: apt-get install chromium")
        pytest.skip("Chromium is not installed (or is a snap, which cannot be driven): apt-get install chromium")
    return str(path)


@pytest.fixture
def browser_page(chromium_path: str) -> Iterator[Any]:
    """A Playwright page in a fresh profile, phone-sized, English."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM)
        context = patient(browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB"))
        yield context.new_page()
        browser.close()
