"""mqtt setup|agree"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
from pathlib import Path

import click

from community_flow.adapters.mosquitto_setup import (
    PluginMissing,
    Tls,
    config_file,
    find_plugin,
    plain_listener,
    security_file,
    tls_listener,
    write_once,
)
from community_flow.commands import settings
from community_flow.commands.server import prepare
from community_flow.services.device_links import BACKEND, MOST_PACKET_BYTES, backend_account
from community_flow.settings import Settings
from community_flow.wiring.mqtt import device_links

BROKER_USER = "mosquitto"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def mqtt() -> None:
    """The MQTT broker (Mosquitto)."""


@mqtt.command()
@click.option("--out", type=click.Path(path_type=Path), help="folder for the files (FLOW_DATA_DIR/mosquitto)")
@click.option("--at", type=click.Path(path_type=Path), help="where the broker will find that folder (--out)")
@click.option("--host", default=socket.gethostname, help="name or address by which devices reach the broker")
@click.option("--port", type=int, default=8883, help="where devices connect, with TLS (8883)")
@click.option("--backend-port", type=int, default=1883, help="where this program connects, without TLS (1883)")
@click.option("--backend-address", default="127.0.0.1", help="address of that listener (127.0.0.1)")
@click.option("--cafile", type=FILE, help="authority of a certificate of your own")
@click.option("--certfile", type=FILE, help="a certificate of your own; without it one of the local authority")
@click.option("--keyfile", type=FILE, help="its key")
@click.option("--plugin", type=click.Path(path_type=Path), help="mosquitto_dynamic_security.so of the broker's machine")
def setup(
    out: Path | None, at: Path | None, host: str, port: int, backend_port: int, backend_address: str,
    cafile: Path | None, certfile: Path | None, keyfile: Path | None, plugin: Path | None,
) -> None:  # fmt: skip
    """Write what a Mosquitto needs to serve this program; prints FLOW_MQTT_URL with its password once.

    Repeated, it renews the certificate and the configuration and leaves the accounts alone.
    """
    known = settings()
    prepare(known)
    folder = (out or known.data_dir / "mosquitto").resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _copy_certificate(known, folder, host, (cafile, certfile, keyfile))
    there = at or folder
    listeners = [plain_listener(backend_port, backend_address), tls_listener(port, _certificate_in(there))]
    security = folder / "dynamic-security.json"
    try:
        text = config_file(plugin or find_plugin(), there / security.name, listeners, MOST_PACKET_BYTES)
    except PluginMissing as error:
        raise click.ClickException(str(error)) from error
    (folder / "mosquitto.conf").write_text(text)
    password = secrets.token_urlsafe(24)
    try:
        write_once(security, security_file(backend_account(password)))
    except FileExistsError:
        click.echo(f"{security} is kept as it is, and so is the password that was shown once.")
        password = ""
    _give(folder)
    click.echo(f"Start the broker: mosquitto -c {there / 'mosquitto.conf'}")
    if password:
        where = f"{backend_address if backend_address != '0.0.0.0' else host}:{backend_port}"  # noqa: S104 - a listener
        click.echo("Set for every process of this program (the password is shown once):")
        click.echo(f"FLOW_MQTT_URL=mqtt://{BACKEND}:{password}@{where}?devices=mqtts://{host}:{port}")
    click.echo(f"Devices trust the broker by {folder / 'ca.pem'}: `ca_file` in an agent's configuration.")


@mqtt.command()
def agree() -> None:
    """Bring the broker's accounts into agreement with the devices now; `serve` does so by itself."""
    links = device_links(prepare(settings()))
    if links is None:
        raise click.ClickException("FLOW_MQTT_URL is not set: `python -m community_flow mqtt setup` prints one.")
    changed = links.agree()
    click.echo(f"{changed.made} accounts made, {changed.ended} ended.")


def _certificate_in(folder: Path) -> Tls:
    return Tls(folder / "ca.pem", folder / "server.pem", folder / "server.key")


def _copy_certificate(
    known: Settings, folder: Path, host: str, own: tuple[Path | None, Path | None, Path | None]
) -> None:
    """Copies for the broker, which may not read the data folder."""
    cafile, certfile, keyfile = own
    if certfile is None or keyfile is None or cafile is None:
        if any(own):
            raise click.ClickException("Give --cafile, --certfile and --keyfile together, or none of them.")
        from community_flow.adapters.local_authority import certificate

        certfile, keyfile = certificate(known.data_dir / "tls", {socket.gethostname(), "localhost", host})
        cafile = known.data_dir / "tls" / "ca.pem"
    copies = _certificate_in(folder)
    for source, copy in ((cafile, copies.cafile), (certfile, copies.certfile), (keyfile, copies.keyfile)):
        shutil.copyfile(source, copy)
        copy.chmod(0o600 if copy == copies.keyfile else 0o644)


def _give(folder: Path) -> None:
    """To the user that Mosquitto runs as: it rewrites its accounts itself."""
    try:
        user = pwd.getpwnam(BROKER_USER)
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
    except (KeyError, PermissionError):
        click.echo(f"Give the folder to the user that the broker runs as: chown -R {BROKER_USER} {folder}")
