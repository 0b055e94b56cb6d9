"""rebuild: derive everything again from reports and journal, or check that nothing would change."""

from __future__ import annotations

from contextlib import nullcontext

import click

from community_flow.commands import fail, settings
from community_flow.commands.server import no_server
from community_flow.wiring.core import Core, build_core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.tracing import tracing_parts


@click.command()
@click.option("--check", is_flag=True, help="change nothing; say whether a rebuild would")
@click.option("--community", help="only this community")
def rebuild(check: bool, community: str | None) -> None:
    """Derive passages, visits, conflicts, ledger and sums again from the reports."""
    here = settings()
    core = build_core(here)
    with nullcontext() if check else no_server(here, core, "A rebuild"):
        _rebuild(core, check, community)


def _rebuild(core: Core, check: bool, community: str | None) -> None:
    flow = flow_parts(core).flow
    with core.db.read() as tx:
        known = core.registry.store.communities(tx)
    if community is not None and community not in known:
        fail(f"There is no community called {community}: choose one of {', '.join(known) or 'none yet'}.")
    differing = 0
    for each in known if community is None else [community]:
        if check:
            tables = flow.check(each)
            differing += len(tables)
            click.echo(f"{each}: {'equal' if not tables else 'differs in ' + ', '.join(tables)}")
            continue
        with core.db.write() as tx:
            flow.rebuild(tx, each)
        tracing_parts(core).footfall.rebuild(each)
        core.signals.bump(each)
        click.echo(f"{each}: rebuilt")
    core.db.close()
    if differing:
        raise SystemExit(1)
