"""retention run"""

from __future__ import annotations

import click

from community_flow.commands import settings
from community_flow.commands.server import no_server
from community_flow.domain.local_days import DAY_MS
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.retention import communities, retention_of


@click.group()
def retention() -> None:
    """What is older than FLOW_RETENTION_DAYS (21 days while an order is in force) goes. `serve` does it once a day."""


@retention.command()
def run() -> None:
    """Delete now what is due; safe to repeat."""
    here = settings()
    core = build_core(here)
    with no_server(here, core, "Retention"):
        for community in communities(core):
            _clear(core, community)


def _clear(core: Core, community: str) -> None:
    cleared = retention_of(core).run(community)
    days = (core.clock.now_ms() - cleared.horizon_ms) / DAY_MS
    click.echo(
        f"{community}: {cleared.reports} reports older than {days:.1f} days deleted, "
        f"{cleared.checkpoints} last passages kept, {cleared.settled} settled items deleted."
    )
