"""worker: fold reports beside `serve`, on PostgreSQL."""

from __future__ import annotations

import signal
from typing import Any

import click

from community_flow.commands import fail, settings
from community_flow.settings import Settings
from community_flow.wiring.core import build_core, refuse_other_tables

ONE_WRITER = (
    "A worker needs PostgreSQL: on SQLite `serve` itself folds, because one process writes. "
    "Set FLOW_DATABASE_URL to run workers, or just run `serve`."
)


@click.command()
def worker() -> None:
    """Fold reports beside `serve` (PostgreSQL only); as many as you like share the communities."""
    known = settings()
    if not known.store_url.startswith("postgres"):
        fail(ONE_WRITER)
    _fold_until_told_to_end(known)


def _fold_until_told_to_end(known: Settings) -> None:
    """What a worker has not committed when it is killed was never taken from the queue: another one does it."""
    from community_flow.wiring.flow import fold_worker
    from community_flow.wiring.review import watch_folds
    from community_flow.wiring.traffic import FIGURES_FOLDER

    core = build_core(known)
    refuse_other_tables(core)
    core.traffic.meter.share(known.data_dir / FIGURES_FOLDER, "worker")
    watch = watch_folds(core)
    folding = fold_worker(core)

    def end(*_: Any) -> None:
        folding.end()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    for start in (*core.background, watch.start):
        start()
    click.echo("Folding.")
    folding.run()
    core.db.close()
    click.echo("Ended.")
