"""audit verify"""

from __future__ import annotations

import click

from community_flow.commands import settings
from community_flow.wiring.core import build_core


@click.group()
def audit() -> None:
    """The log of who did and saw what."""


@audit.command()
def verify() -> None:
    """Walk the whole chain; exit 1 at the first row that was altered, dropped or moved."""
    result = build_core(settings()).audit.verify()
    if result.broken_at is not None:
        raise click.ClickException(
            f"Row {result.broken_at} does not follow from the one before: compare with a backup."
        )
    click.echo(f"{result.rows} rows, unbroken.")
