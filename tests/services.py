"""Real PostgreSQL, Redis and Mosquitto for tests: started on loopback from Debian's packages, ended by pid."""

from __future__ import annotations

import fcntl
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from community_flow.adapters.mosquitto_setup import config_file, find_plugin, plain_listener, security_file
from community_flow.services.device_links import BACKEND, MOST_PACKET_BYTES, backend_account

MOSQUITTO = "/usr/sbin/mosquitto"


class Missing(RuntimeError):
    """A Debian package is not there; the message names it."""


FIRST_PORT, PORTS_OF_A_WORKER = 20_000, 2_000
"""Below those that Linux gives to whoever connects: a port that was free stays so until its server listens."""

_turn = itertools.count(os.getpid())


@cache
def _taken_ports() -> int:
    """A file whose byte N is locked by the process that has taken port N: between choosing a port and listening at it a
    second passes, and two runs of the tests beside each other would share a server."""
    return os.open(
        Path(tempfile.gettempdir()) / f"community-flow-test-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600
    )


def free_port() -> int:
    """Never the same twice in a row, and never one that another process of ours has chosen."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 6
    while True:
        port = FIRST_PORT + worker * PORTS_OF_A_WORKER + next(_turn) % PORTS_OF_A_WORKER
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                fcntl.lockf(_taken_ports(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:  # another program's
                continue
        return port


PATIENCE_S = 120.0
"""How long a test waits at least for what must come. It costs nothing where all is well, and a machine that does other
things beside is no reason to fail."""


def wait_until(ready: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Poll; raises TimeoutError naming what did not come."""
    patience_s = max(seconds, PATIENCE_S)
    end = time.monotonic() + patience_s
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {patience_s} s")
        time.sleep(0.05)


def patient(context: Any) -> Any:
    """A browser context that waits as long as every other test does."""
    context.set_default_timeout(PATIENCE_S * 1000)
    return context


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis of our own; gives its URL. It keeps nothing on disk."""
    program = shutil.which("redis-server")
    if not program:
        raise Missing("redis-server is not installed: apt-get install redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="flow-redis-") as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with _process(command, port):
            yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def postgresql_server(*options: str) -> Iterator[str]:
    """A PostgreSQL cluster of our own; gives the URL of an empty database. Not root: the server refuses that."""
    programs = _postgresql_programs()
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="flow-postgresql-"))
    try:
        user = _own(folder)
        subprocess.run(
            [
                str(programs / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "flow",
                "-E", "UTF8", "--locale=C.UTF-8",
            ],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        command = [
            str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port), "-k", str(folder),
            "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", *options,
        ]  # fmt: skip
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        with _process(command, port, user=user, stop=signal.SIGINT):
            # It listens before it lets anybody in.
            wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL")
            yield f"postgresql://flow@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    import psycopg

    try:
        psycopg.connect(f"postgresql://flow@127.0.0.1:{port}/postgres", connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _postgresql_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    if on_path:
        return Path(on_path).resolve().parent
    raise Missing("PostgreSQL is not installed: apt-get install postgresql")


class Mosquitto:
    """A Mosquitto of our own, which can be killed and comes back on its port with the accounts it had."""

    def __init__(self, folder: Path) -> None:
        if not Path(MOSQUITTO).exists():
            raise Missing("Mosquitto is not installed: apt-get install mosquitto")
        self.folder, self.port = folder, free_port()
        self.password = secrets.token_urlsafe(16)
        self.process: subprocess.Popen[bytes] | None = None
        security = folder / "dynamic-security.json"
        security.write_text(security_file(backend_account(self.password)))
        listeners = [plain_listener(self.port)]
        config = config_file(find_plugin(), security, listeners, MOST_PACKET_BYTES)
        (folder / "mosquitto.conf").write_text(config)
        self._user = _own(folder, "mosquitto")

    @property
    def url(self) -> str:
        """FLOW_MQTT_URL of the backend."""
        return f"mqtt://{BACKEND}:{self.password}@127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "broker.log").read_text()

    def start(self) -> None:
        command = [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")]
        with (self.folder / "broker.log").open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, user=self._user, cwd=self.folder
            )
        process = self.process
        wait_until(lambda: listens(self.port) or process.poll() is not None, "mosquitto")
        if process.poll() is not None:
            raise RuntimeError(f"mosquitto ended: {self.log[-2000:]}")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; with SIGKILL as a power cut would."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE_S)
            self.process = None


@contextmanager
def mosquitto_broker() -> Iterator[Mosquitto]:
    """A running Mosquitto that the test may end and start again."""
    folder = Path(tempfile.mkdtemp(prefix="flow-mosquitto-"))
    try:
        broker = Mosquitto(folder)
        broker.start()
        try:
            yield broker
        finally:
            broker.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mosquitto_server() -> Iterator[str]:
    """A Mosquitto of our own with dynamic security; gives the backend's FLOW_MQTT_URL."""
    with mosquitto_broker() as broker:
        yield broker.url


def open_to_broker(folder: Path) -> None:
    """Let the broker's own user reach a folder of a test, whose parents are root's alone."""
    if os.geteuid() == 0:
        for path in folder.parents:
            if path.is_relative_to(tempfile.gettempdir()) and path != Path(tempfile.gettempdir()):
                path.chmod(path.stat().st_mode | 0o011)


def _own(folder: Path, name: str = "postgres") -> int | None:
    """Give the folder and what is in it to the server's user when we are root."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam(name)
    for path in (folder, *folder.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid)
    return user.pw_uid


@contextmanager
def _process(
    command: list[str], port: int, user: int | None = None, stop: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, user=user, cwd="/")
        try:
            wait_until(lambda: listens(port) or process.poll() is not None, command[0])
            if process.poll() is not None:
                output.seek(0)
                raise RuntimeError(f"{command[0]} ended: {output.read().decode(errors='replace')[-2000:]}")
            yield process
        finally:
            process.send_signal(stop)
            process.wait(PATIENCE_S)
