"""The demo community: its loader, and the thread that loads it behind the first page."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from flask import Flask

from community_flow.adapters.sql.queries_gate import SqlGate
from community_flow.adapters.sql.queries_passes import SqlPasses
from community_flow.adapters.sql.queries_people import SqlPeople
from community_flow.demo.folder import DemoFolder
from community_flow.demo.load import Loader
from community_flow.demo.plan import DAY_MS, Plan
from community_flow.demo.registering import COMMUNITIES, Registering
from community_flow.demo.tour import Tour, TourParts, body_more
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.gate_records import GateRecords
from community_flow.services.passes import Passes
from community_flow.wiring.core import Core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.ingest import ingest_parts
from community_flow.wiring.registry import registry_parts
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
        folder, registering, core.registry, ingest.devices.store, ingest.trust, ingest.ingest, core.accounts,
        tracing.orders, tracing.footfall, lambda: settle(core), core.db, core.clock,
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
    """Only with FLOW_DEMO=1: load what is planned once the server's worker runs, and offer the tour."""
    from community_flow.entrypoints import demo as demo_pages

    core.background.append(lambda: start(core))
    tour = Tour(_tour_parts(core))
    app.register_blueprint(demo_pages.blueprint(tour, lambda: progress(core), body_more))
    app.jinja_env.globals["demo_progress"] = lambda: progress(core)


def progress(core: Core) -> dict[str, Any]:
    """How far the loading is, for the first page."""
    status = demo_parts(core).folder.status()
    return asdict(status) if status else {"stage": "waiting", "done": 0, "total": 0, "trouble": ""}


def _tour_parts(core: Core) -> TourParts:
    keys, ingest, parts = CommunityKeys(core.keys), ingest_parts(core), demo_parts(core)
    records = GateRecords(core.registry, SqlPasses(), SqlPeople(), keys)
    rules = registry_parts(core).rules
    return TourParts(
        core.db, core.registry, parts.registering.passes, records, rules, SqlGate(), keys, ingest.devices,
        core.accounts, tracing_parts(core).tracing, parts.folder, core.clock,
    )  # fmt: skip


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
