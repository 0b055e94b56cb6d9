"""The demo community: its loader, and the thread that loads it behind the first page."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import structlog
from flask import Flask

from community_flow.adapters.sql.queries_passes import SqlPasses
from community_flow.adapters.sql.queries_people import SqlPeople
from community_flow.demo.folder import DemoFolder
from community_flow.demo.load import Loader
from community_flow.demo.plan import DAY_MS, Plan
from community_flow.demo.registering import COMMUNITIES, Registering
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.passes import Passes
from community_flow.wiring.core import Core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.ingest import ingest_parts
from community_flow.wiring.review import review_parts
from community_flow.wiring.tracing import tracing_parts

log = structlog.get_logger()


@dataclass(frozen=True)
class DemoParts:
    folder: DemoFolder
    loader: Loader
    registering: Registering


def demo_parts(core: Core) -> DemoParts:
    """Made once for each core."""
    if "demo" not in core.parts:
        core.parts["demo"] = _build(core)
    found: DemoParts = core.parts["demo"]
    return found


def _build(core: Core) -> DemoParts:
    keys, people = CommunityKeys(core.keys), SqlPeople()
    passes = Passes(core.db, core.registry, SqlPasses(), keys, core.audit, core.clock)
    secret = core.keys.all("community")[0].secret
    registering = Registering(core.db, core.registry, passes, keys, people, core.clock, secret)
    folder, ingest, tracing = DemoFolder(core.settings.data_dir), ingest_parts(core), tracing_parts(core)
    loader = Loader(
        folder, registering, core.registry, ingest.trust, ingest.ingest, core.accounts, tracing.orders,
        tracing.footfall, lambda: settle(core), core.db, core.clock,
    )  # fmt: skip
    return DemoParts(folder, loader, registering)


def settle(core: Core) -> None:
    """Fold what was loaded, then look at all of it for what is abnormal."""
    flow_parts(core).flow.drain()
    review = review_parts(core).review
    plan = DemoFolder(core.settings.data_dir).plan()
    days = (plan.days if plan else 0) + 1
    for community in COMMUNITIES:
        review.examine(community, core.clock.now_ms() - days * DAY_MS)
        review.rank_behaviour(community, days)


def plan_first(core: Core) -> None:
    """Ask for the demo when nothing is here yet; an installation with communities of its own is left alone."""
    with core.db.read() as tx:
        empty = not core.registry.store.communities(tx)
    folder = DemoFolder(core.settings.data_dir)
    if empty and folder.plan() is None:
        folder.keep_plan(Plan(until_ms=core.clock.now_ms(), timezone=core.settings.timezone))


def wire(core: Core, app: Flask) -> None:
    """Only with FLOW_DEMO=1: load what is planned once the server's worker runs."""
    core.background.append(lambda: start(core))


def start(core: Core) -> None:
    """Load in the background whatever is planned and not loaded yet."""
    parts = demo_parts(core)
    plan_first(core)

    def run() -> None:
        try:
            parts.loader.run()
        except Exception:  # the thread's outermost loop: the page must say that the demo stopped
            log.exception("demo load failed")
            parts.folder.advance(stage="failed", trouble="An error stopped the loading: see the server's log.")

    threading.Thread(target=run, name="demo", daemon=True).start()
