"""passes …"""

from __future__ import annotations

from pathlib import Path

import click

from community_flow.commands import settings
from community_flow.commands.people import command_line, only_community
from community_flow.commands.server import prepare
from community_flow.ports.cards import Paper
from community_flow.services.cards import AT_ONCE
from community_flow.wiring.registry import registry_parts


@click.group()
def passes() -> None:
    """Cards and other passes."""


@passes.command()
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="a .pdf file")
@click.option("--community", help="needed when there are several")
@click.option("--building", help="only this building, as units begin: 7")
@click.option("--person", "persons", multiple=True, help="only this person (p_…); may be given several times")
@click.option("--paper", type=click.Choice(["a4", "cr80"]), default="a4", show_default=True)
def cards(out: Path, community: str | None, building: str | None, persons: tuple[str, ...], paper: Paper) -> None:
    """Print cards to a PDF; who has none yet is issued one. Over 600 cards: one PDF for each building."""
    core = prepare(settings())
    printing, community = registry_parts(core).cards, only_community(core, community)
    scope = command_line({community})
    if persons or building is not None or printing.count(scope, community) <= AT_ONCE:
        out.write_bytes(printing.print(scope, community, building=building, persons=persons, paper=paper))
        click.echo(str(out))
        return
    for line in printing.buildings(scope, community):
        part = out.with_stem(f"{out.stem}-{line.building or 'other'}")
        part.write_bytes(printing.print(scope, community, building=line.building or "", paper=paper))
        click.echo(f"{part}   {line.people} cards")
