"""demo load, demo play, demo score"""

from __future__ import annotations

import click

from community_flow.commands import settings
from community_flow.commands.server import hold_data_folder, prepare
from community_flow.domain.errors import Conflict


@click.group()
def demo() -> None:
    """A neighbourhood with exact ground truth."""


@demo.command()
@click.option("--people", default=1200, show_default=True, type=click.IntRange(12, 20_000))
@click.option("--days", default=21, show_default=True, type=click.IntRange(0, 60), help="0: the community, no history")
@click.option("--seed", default=7, show_default=True)
def load(people: int, days: int, seed: int) -> None:
    """Load it into an empty installation, through the real ingest and fold. Goes on where an earlier call stopped."""
    from community_flow.demo.plan import Plan
    from community_flow.wiring.demo import demo_parts

    known = settings()
    core = prepare(known)
    lock = hold_data_folder(known)
    parts = demo_parts(core)
    if parts.folder.plan() is None:
        now_ms = core.clock.now_ms()
        parts.folder.keep_plan(Plan(people, days, seed, now_ms, known.timezone))
    parts.loader.run()
    status = parts.folder.status()
    lock.close()
    if status is None or status.stage != "done":
        raise Conflict(status.trouble if status else "The demo was not loaded.")
    took_s = ((status.finished_ms or 0) - status.started_ms) / 1000
    click.echo(f"Loaded {status.total} reports in {took_s:.0f} s. Ground truth: {parts.folder.path}/truth.json")


@demo.command()
@click.option("--server", default="http://127.0.0.1:8000", show_default=True)
@click.option("--per-minute", default=12.0, show_default=True, help="scans a minute")
@click.option("--seconds", default=0.0, help="stop after so long; 0: until Ctrl-C")
def play(server: str, per_minute: float, seconds: float) -> None:
    """Live scans and a real camera agent against a running server, over HTTP."""
    from community_flow.wiring.core import build_core
    from community_flow.wiring.demo_play import play as run

    if not server.startswith(("http://", "https://")):
        raise click.BadParameter("give an address that begins with http:// or https://", param_hint="--server")
    run(build_core(settings()), server.rstrip("/"), per_minute, seconds, click.echo)


@demo.command()
def score() -> None:
    """Recall and precision against the ground truth, per class, as they are."""
    from community_flow.demo.score import table
    from community_flow.wiring.core import build_core
    from community_flow.wiring.demo_score import scores

    click.echo(table(scores(build_core(settings()))))
