"""people …"""

from __future__ import annotations

import time
from pathlib import Path

import click

from community_flow.commands import settings
from community_flow.commands.server import prepare
from community_flow.domain.csv import written
from community_flow.domain.import_rows import Fault
from community_flow.domain.scope import Scope
from community_flow.wiring.core import Core
from community_flow.wiring.registry import registry_parts

LEAST_PAUSE_S = 0.25


@click.group()
def people() -> None:
    """Residents."""


@people.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--community", help="needed when there are several")
@click.option("--dry-run", is_flag=True, help="say what would happen and keep nothing")
@click.option("--errors", type=click.Path(dir_okay=False, path_type=Path), help="write the rows to correct to this CSV")
def import_(file: Path, community: str | None, dry_run: bool, errors: Path | None) -> None:
    """Keep a CSV or XLSX list of residents. Safe to repeat: who is known is recognised."""
    core = prepare(settings())
    imports, community = registry_parts(core).imports, only_community(core, community)
    scope = command_line({community})
    upload = imports.begin(scope, community, file.name, file.read_bytes())
    preview = imports.preview(scope, upload.id)
    counts, faults = preview.counts, preview.faults
    while not dry_run and upload.state != "done":
        begun_s = time.monotonic()
        upload = imports.step(scope, upload.id)
        counts = upload.counts
        let_others_write(core, time.monotonic() - begun_s)
    click.echo(
        f"{counts.rows} rows = {counts.added} new + {counts.changed} changed + {counts.moved} moved + "
        f"{counts.same} known + {counts.faulty} to correct + {counts.samples} sample + {counts.blank} empty"
    )
    for fault in faults[:20]:
        click.echo(f"row {fault.line}: {spoken(fault)}")
    if len(faults) > 20:
        click.echo(f"and {len(faults) - 20} more rows")
    if errors and faults:
        table, _ = imports.faults(scope, upload.id)
        rows = [(*table.rows[each.line - table.first_line], spoken(each)) for each in faults]
        errors.write_bytes(written(errors.name, (*table.heading, "To correct"), rows).body)
        click.echo(f"Rows to correct: {errors}")


def let_others_write(core: Core, took_s: float) -> None:
    """A server that waits for the same SQLite file looks ten times a second whether it is free: a command that takes it
    again at once would leave it waiting for ever."""
    if core.db.is_sqlite:
        time.sleep(max(LEAST_PAUSE_S, took_s / 2))


def spoken(fault: Fault) -> str:
    return fault.remedy % fault.values if fault.values else fault.remedy


def command_line(communities: set[str]) -> Scope:
    """Who the log says it was: whoever may start commands may read the store anyhow."""
    system = Scope.system(communities)
    return Scope("command line", system.role, system.communities)


def only_community(core: Core, wanted: str | None) -> str:
    """The community that was named, or the only one there is."""
    with core.db.read() as tx:
        known = core.registry.store.communities(tx)
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted in known:
        return str(wanted)
    listed = ", ".join(known) or "none yet: make one at /setup"
    raise click.ClickException(f"Name a community with --community. There are: {listed}.")
