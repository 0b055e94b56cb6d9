"""pretix as a peer: installed with `set_up`, prepared and served for one run with `serving_pretix`.

It lives in an environment of its own, is only run and asked over HTTP, and nothing of it is part of this project. It
has what its own guide to an installation asks for: PostgreSQL, Redis for cache and sessions, gunicorn, background tasks
handed to a queue. Nobody works on that queue meanwhile, so that all of the machine is left to its check-in.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.bench._blast import post
from tests.services import (
    _postgresql_programs,
    free_port,
    listens,
    postgresql_server,
    redis_server,
    wait_until,
)

ROOT = Path(__file__).parent.parent.parent
LOCK = ROOT / "requirements-pretix.txt"
HOME = ROOT / ".venv-bench" / "pretix"
PYTHON = str(HOME / "bin" / "python")
EMPTY = HOME / "empty.sql"
"""What its migrations make of an empty database. They take minutes, so that a run starts from here."""

DATABASE = "pretix"
WORKERS = 2
HOW_TO = "not installed: python -m tests.bench.checkin --setup-peer"


def installed() -> bool:
    return EMPTY.exists()


def version() -> str:
    """As pinned in the lock."""
    return next(line.split()[0] for line in LOCK.read_text().splitlines() if line.startswith("pretix=="))


def set_up() -> None:
    """Install pretix and keep its empty tables; some minutes."""
    if not Path(PYTHON).exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
    print(f"Installing {version()} in {HOME.relative_to(ROOT)}", flush=True)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
    print("Making its tables", flush=True)
    with postgresql_server() as url, redis_server() as redis, tempfile.TemporaryDirectory() as folder:
        _database(url)
        environment = _environment(url, redis, Path(folder))
        command = [PYTHON, "-m", "pretix", "migrate"]
        subprocess.run(command, check=True, env=environment, cwd=folder, stdout=subprocess.DEVNULL)
        dump = [*_client("pg_dump", url), "--no-owner", "--file", str(EMPTY.with_suffix(".part"))]
        subprocess.run(dump, check=True)
    EMPTY.with_suffix(".part").rename(EMPTY)


@dataclass(frozen=True)
class Pretix:
    """A running pretix: ``secrets`` are those of paid tickets, each good for one entry."""

    port: int
    pid: int
    organizer: str
    checkin_list: int
    tokens: Sequence[str]
    secrets: Sequence[str]

    def redeem(self, device: int, ticket: int) -> bytes:
        """The request by which a scanning device checks a ticket in, with the nonce that makes it safe to repeat."""
        wanted = {"secret": self.secrets[ticket], "lists": [self.checkin_list], "nonce": secrets.token_hex(16)}
        path = f"/api/v1/organizers/{self.organizer}/checkinrpc/redeem/"
        return post(path, json.dumps(wanted).encode(), Authorization=f"Device {self.tokens[device]}")


@contextmanager
def serving_pretix(url: str, redis: str, devices: int, tickets: int) -> Iterator[Pretix]:
    """pretix on a database of its own in the cluster of ``url``."""
    _database(url)
    subprocess.run(
        [*_client("psql", url), "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(EMPTY)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="flow-pretix-") as folder:
        environment = _environment(url, redis, Path(folder))
        made = _seed(environment, folder, devices, tickets)
        with _gunicorn(environment, folder) as (port, pid):
            yield Pretix(port, pid, made["organizer"], made["list"], made["tokens"], made["secrets"])


def checked_in(url: str) -> int:
    """Good entries in pretix's own table."""
    host = urlsplit(url)
    with psycopg.connect(host._replace(path=f"/{DATABASE}").geturl()) as link:
        row = link.execute("SELECT count(*) FROM pretixbase_checkin WHERE successful AND type = 'entry'").fetchone()
    return int(row[0]) if row else 0


def _database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(f"CREATE DATABASE {DATABASE}")


def _client(name: str, url: str) -> list[str]:
    host = urlsplit(url)
    at = ["--host", str(host.hostname), "--port", str(host.port), "--username", str(host.username)]
    return [str(_postgresql_programs() / name), *at, "--dbname", DATABASE]


def _environment(url: str, redis: str, folder: Path) -> dict[str, str]:
    host, broker = urlsplit(url), redis.rpartition("/")[0]
    return {
        **os.environ, "DJANGO_SETTINGS_MODULE": "pretix.settings", "PRETIX_CONFIG_FILE": os.devnull,
        # The address that it takes for its own; it answers its API under no other.
        "PRETIX_PRETIX_URL": "http://127.0.0.1",
        "PRETIX_PRETIX_DATADIR": str(folder), "PRETIX_DJANGO_DEBUG": "false", "PRETIX_DATABASE_BACKEND": "postgresql",
        "PRETIX_DATABASE_NAME": DATABASE, "PRETIX_DATABASE_USER": str(host.username),
        "PRETIX_DATABASE_HOST": str(host.hostname), "PRETIX_DATABASE_PORT": str(host.port),
        "PRETIX_REDIS_LOCATION": f"{broker}/1", "PRETIX_REDIS_SESSIONS": "true",
        "PRETIX_CELERY_BROKER": f"{broker}/2", "PRETIX_CELERY_BACKEND": f"{broker}/3",
    }  # fmt: skip


def _seed(environment: dict[str, str], folder: str, devices: int, tickets: int) -> dict[str, Any]:
    wanted = json.dumps({"devices": devices, "tickets": tickets})
    done = subprocess.run(
        [PYTHON, Path(__file__).with_name("_pretix_seed.py")],
        input=wanted, env=environment, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"pretix could not be filled: {done.stderr[-2000:]}")
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made


@contextmanager
def _gunicorn(environment: dict[str, str], folder: str) -> Iterator[tuple[int, int]]:
    """Its port and the process group of all its workers. They answer one request a connection, behind a proxy as in
    pretix's own guide or as here without one, so that every request goes to a worker that is free."""
    port = free_port()
    command = [
        PYTHON, "-m", "gunicorn", "pretix.wsgi:application", "--workers", str(WORKERS), "--no-control-socket",
        "--bind", f"127.0.0.1:{port}", "--log-level", "warning",
    ]  # fmt: skip
    with (
        (Path(folder) / "gunicorn.log").open("wb") as log,
        subprocess.Popen(
            command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            wait_until(lambda: listens(port) or process.poll() is not None, "gunicorn", 60)
            yield port, process.pid
        finally:
            process.terminate()
