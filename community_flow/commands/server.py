"""init, serve, doctor."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import click

from community_flow.adapters.sql.store import SqlDatabase
from community_flow.commands import settings
from community_flow.domain.scope import Role
from community_flow.ports.accounts import Account
from community_flow.settings import BadSetting, Settings
from community_flow.wiring.core import Core, build_core

KEEP_ALIVE_S = 75
"""A phone at a gate that scans once a minute keeps its connection."""

HANGING_S = 60
"""A worker that does not even answer its supervisor for so long is replaced. Loading a demo on a small box must not
look like that."""

ENDING_S = 10
"""What a request may still take when the server ends. What was not answered is sent again by the devices."""

EVERYWHERE = "0.0.0.0"  # noqa: S104 - with --tls the server is meant for phones in the network


@click.command()
def init() -> None:
    """Make the data folder, its keys and its tables. Safe to repeat."""
    prepare(settings())
    click.echo("Ready.")


@click.command()
@click.option("--host", help="address to listen on (with --tls: every address of this machine)")
@click.option("--port", type=int)
@click.option("--tls", is_flag=True, help="https with a local certificate authority, for phones on the LAN")
@click.option("--demo", is_flag=True, help="load the demo community when there is none")
def serve(host: str | None, port: int | None, tls: bool, demo: bool) -> None:
    """Start the server."""
    known = settings()
    with hold_data_folder(known):
        _serve(known, (host or (EVERYWHERE if tls else known.host), port or known.port), tls, demo or known.demo)


def _serve(known: Settings, address: tuple[str, int], tls: bool, demo: bool) -> None:
    core = prepare(known, holding=True)
    _refuse_unsealed_nights(known)
    _check_free(address)
    certificate = _certificate(known) if tls else None
    _welcome(core, address, tls)
    core.db.close()
    if demo:
        os.environ["FLOW_DEMO"] = "1"
    _run(address, certificate, workers=1 if core.db.is_sqlite else 2)


@click.command()
def doctor() -> None:
    """Look at folders, keys, store, clock, Redis, broker, backups, packages; say what to mend. Exit 1 if anything."""
    from community_flow.wiring.doctor import examine

    words = {"ok": "ok    ", "note": "note  ", "mend": "MEND  "}
    bad = False
    for finding in examine(settings()):
        click.echo(words[finding.level] + finding.text)
        bad = bad or finding.level == "mend"
    if bad:
        raise SystemExit(1)


def prepare(known: Settings, *, holding: bool = False) -> Core:
    """Folders, keys, tables. ``holding`` says that the caller holds the data folder already."""
    from community_flow.adapters.keys import KeyRing

    make_data_folder(known)
    _finish_restore(known, holding)
    KeyRing(known.data_dir / "keys", known.key_file).ensure()
    _bring_up(known, holding)
    return build_core(known)


def _finish_restore(known: Settings, holding: bool) -> None:
    from community_flow.services.restore import interrupted

    if interrupted(known.data_dir):
        from community_flow.wiring.backup import finish_restore

        with ExitStack() as held:
            if not holding:
                held.enter_context(hold_data_folder(known))
            finish_restore(known)


def _bring_up(known: Settings, holding: bool) -> None:
    """Migrate an older store, while nobody else works on it; refuse a newer one."""
    from community_flow.adapters.sql.migrate import refuse_other, state_of, upgrade

    db = SqlDatabase(known.store_url)
    try:
        state = state_of(db)
        if not state.current and not state.too_new:
            with _alone(known, db, holding):
                upgrade(known.store_url)
        refuse_other(db)
    finally:
        db.close()


@contextmanager
def _alone(known: Settings, db: SqlDatabase, holding: bool) -> Iterator[None]:
    from community_flow.adapters.sql.presence import alone

    with ExitStack() as held:
        if db.is_sqlite and not holding:
            held.enter_context(hold_data_folder(known))
        held.enter_context(alone(db, "An upgrade of the tables"))
        yield


def make_data_folder(known: Settings) -> None:
    try:
        known.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BadSetting(
            f"The data folder {known.data_dir} cannot be made ({error.strerror}): set FLOW_DATA_DIR to another"
        ) from error


def hold_data_folder(known: Settings) -> IO[str]:
    """Lock the data folder; refuse when another server holds it."""
    make_data_folder(known)
    file = Path(known.data_dir / "serve.lock").open("a+")  # noqa: SIM115 - held until the server ends
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        raise click.ClickException(
            f"Another server uses {known.data_dir}. Stop it, or set FLOW_DATABASE_URL to PostgreSQL to run several."
        ) from error
    return file


@contextmanager
def no_server(known: Settings, core: Core, what: str) -> Iterator[None]:
    """For work that is one long transaction: on SQLite every gate would wait for it, so it refuses beside a server."""
    if not core.db.is_sqlite:
        yield
        return
    try:
        lock = hold_data_folder(known)
    except click.ClickException as error:
        raise click.ClickException(
            f"{what} is one long transaction for which every gate would wait. {error}"
        ) from error
    with lock:
        yield


def _check_free(address: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise click.ClickException(
                f"Port {address[1]} on {address[0]} cannot be used ({error.strerror}): choose another with --port."
            ) from error


def _refuse_unsealed_nights(known: Settings) -> None:
    if known.backup_dir is not None:
        from community_flow.wiring.backup import secret_to_seal

        secret_to_seal(known, None, in_clear=False)


def _certificate(known: Settings) -> tuple[Path, Path]:
    from community_flow.adapters.local_authority import certificate

    return certificate(known.data_dir / "tls", [socket.gethostname(), "localhost"])


def _welcome(core: Core, address: tuple[str, int], tls: bool) -> None:
    base = f"{'https' if tls else 'http'}://{_shown(address[0])}:{address[1]}"
    click.echo(f"Community Flow on {base}")
    if core.accounts.count() == 0:
        password = secrets.token_urlsafe(12)
        account = Account(account="", login="admin", name="Admin", role=Role.ADMIN)
        admin = core.accounts.add(account, password, "system")
        click.echo(f"First account: admin   password (shown once): {password}")
        click.echo(f"Sign in with one click, once, within 15 minutes: {base}/login/link/"
                   f"{core.accounts.make_link(admin, 'system')}")  # fmt: skip


def _shown(host: str) -> str:
    """What a phone in the same network types."""
    if host != EVERYWHERE:
        return f"[{host}]" if ":" in host else host
    from community_flow.adapters.local_authority import addresses

    found = sorted(addresses() - {"127.0.0.1"})
    return found[0] if found else "127.0.0.1"


def _run(address: tuple[str, int], certificate: tuple[Path, Path] | None, workers: int) -> None:
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from community_flow.adapters.short_requests import ShortRequests

    cert, key = certificate or (None, None)
    config = uvicorn.Config(
        "wsgi:served",
        host=address[0],
        port=address[1],
        loop="uvloop",
        http=ShortRequests,
        ws="none",
        lifespan="off",
        workers=workers,
        backlog=1024,
        ssl_certfile=cert,
        ssl_keyfile=key,
        # Its lines go the same way as ours; those of its start are not for the person who starts this.
        log_config=None,
        log_level="error",
        access_log=False,
        # Who sits behind a proxy is the proxy's to say only where an operator has said so; and nobody needs to know
        # what serves this.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=ENDING_S,
        timeout_worker_healthcheck=HANGING_S,
    )
    # With one process too: a crashed worker comes back, and what it had not answered is sent again by the devices.
    Multiprocess(config, [_bound(address)]).run()


def _bound(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(address)
    bound.set_inheritable(True)
    return bound
