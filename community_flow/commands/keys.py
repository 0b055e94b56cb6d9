"""keys list|rotate"""

from __future__ import annotations

from datetime import UTC, datetime

import click

from community_flow.adapters.keys import KeyRing
from community_flow.commands import settings
from community_flow.ports.audit import Look
from community_flow.wiring.core import build_core

RENEWABLE = {"card": 24, "delta": 0, "ingest": 0}
"""Keys that may be renewed, and after how many hours the new one is used unless somebody says otherwise.

A gate that has not heard of a card key calls its cards forged: it is announced with the lists for a day first.
"""


@click.group()
def keys() -> None:
    """The installation's keys: what is there, and new ones for cards, gate lists and sealed reports."""


@keys.command("list")
def listed() -> None:
    """Every key that may be renewed, and since when it is in use; never the key."""
    known = settings()
    ring = KeyRing(known.data_dir / "keys", known.key_file)
    for name in RENEWABLE:
        for key in ring.all(name):
            state = "in use" if key == ring.now(name) else "announced" if key.from_ms > ring.now_ms() else "kept"
            click.echo(f"{name:8} {key.id:3}  {_day(key.from_ms):20} {state}")


@keys.command()
@click.argument("name", type=click.Choice(sorted(RENEWABLE)))
@click.option("--after", "after_h", type=click.IntRange(0, 24 * 30), help="Hours until the new key is used.")
def rotate(name: str, after_h: int | None) -> None:
    """Make a new key. Old ones stay, so that cards, lists and reports made with them are still good."""
    core = build_core(settings())
    hours = RENEWABLE[name] if after_h is None else after_h
    key = core.keys.rotate(name, hours * 3_600_000)
    with core.db.write() as tx:
        detail = {"name": name, "id": key.id, "from_ms": key.from_ms}
        core.audit.append(tx, Look(account="system", role="admin", action="key.rotate", subject=name, detail=detail))
    click.echo(f"{name} key {key.id} is used from {_day(key.from_ms)}. Back up var/keys now.")


def _day(from_ms: int) -> str:
    if from_ms == 0:
        return "the beginning"
    return datetime.fromtimestamp(from_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
