"""device enrol|list|rotate|revoke|code|table-key"""

from __future__ import annotations

import json
from typing import get_args

import click

from community_flow.commands import settings
from community_flow.commands.server import prepare
from community_flow.domain.places import DeviceKind
from community_flow.domain.scope import Role, Scope
from community_flow.services.devices import Enrolled
from community_flow.wiring.core import Core
from community_flow.wiring.ingest import ingest_parts

KINDS = click.Choice(list(get_args(DeviceKind)))


@click.group()
def device() -> None:
    """Gate phones, cameras and scanners."""


@device.command()
@click.option("--community", required=True)
@click.option("--gate", help="not for office and gateway")
@click.option("--kind", type=KINDS, required=True)
@click.option("--name", help="how people call it (default: from its gate and kind)")
@click.option("--json", "as_json", is_flag=True)
def enrol(community: str, gate: str | None, kind: DeviceKind, name: str | None, as_json: bool) -> None:
    """A new device; prints its token, which is shown once."""
    core = prepare(settings())
    names = {"zh": name, "en": name} if name else None
    made = ingest_parts(core).devices.enrol(_everything(core), community, kind, gate, names=names)
    _show(core, made, as_json)


@device.command("list")
@click.option("--json", "as_json", is_flag=True)
def list_(as_json: bool) -> None:
    """Every device and how it is."""
    core = prepare(settings())
    for each in ingest_parts(core).devices.list(_everything(core)):
        row = {"device": each.device, "community": each.community, "gate": each.gate, "kind": each.kind}
        if as_json:
            click.echo(json.dumps({**row, "state": each.state}))
        else:
            click.echo("\t".join([each.state, *(value or "-" for value in row.values())]))


@device.command()
@click.argument("device")
@click.option("--json", "as_json", is_flag=True)
def rotate(device: str, as_json: bool) -> None:
    """A new token; the old one ends at once."""
    core = prepare(settings())
    made = ingest_parts(core).devices.rotate(_everything(core), device)
    _show(core, made, as_json)


@device.command()
@click.argument("device")
def revoke(device: str) -> None:
    """The device may not speak any more; what it reported stays."""
    core = prepare(settings())
    ingest_parts(core).devices.revoke(_everything(core), device)
    click.echo(f"{device} is revoked.")


@device.command()
@click.argument("device")
def code(device: str) -> None:
    """A one-time code, good for 15 minutes, with which a phone becomes this device."""
    core = prepare(settings())
    made = ingest_parts(core).devices.new_code(_everything(core), device)
    click.echo(made.code)


@device.command("table-key")
def table_key() -> None:
    """A new key signs the gates' lists; phones follow by the old one's word. Start `serve` again afterwards."""
    core = prepare(settings())
    key = core.keys.rotate("delta")
    click.echo(f"Lists are signed by key {key.id} once `serve` has been started again.")


def _show(core: Core, made: Enrolled, as_json: bool) -> None:
    broker = core.settings.mqtt
    found = {"device": made.device, "token": made.token} | ({"mqtt": broker.for_devices} if broker else {})
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{made.device}   token (shown once): {made.token}")
    if broker:
        click.echo(f"Over MQTT: {broker.for_devices}, with the device's id as user name and its token as password.")


def _everything(core: Core) -> Scope:
    with core.db.read() as tx:
        known = core.registry.store.communities(tx)
    return Scope(account="command line", role=Role.ADMIN, communities=frozenset(known))
