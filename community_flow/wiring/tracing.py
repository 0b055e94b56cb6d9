"""Orders, cases, statistics."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask

from community_flow.adapters.sql.queries_tracing import SqlOrders
from community_flow.services.footfall import Footfall
from community_flow.services.orders import Orders
from community_flow.services.pseudonyms import Pseudonyms
from community_flow.services.statistics import Statistics
from community_flow.services.tracing import Tracing
from community_flow.wiring.core import Core


@dataclass(frozen=True)
class TracingParts:
    """Orders, cases and statistics, as the pages and the command line use them."""

    orders: Orders
    tracing: Tracing
    footfall: Footfall
    statistics: Statistics


def tracing_parts(core: Core) -> TracingParts:
    from community_flow.adapters.sql.queries_statistics import SqlFootfall
    from community_flow.adapters.sql.queries_tracing import SqlCases, SqlMovements

    store = SqlFootfall()
    orders = Orders(core.db, SqlOrders(), core.registry, core.audit, core.clock)
    pseudonyms = Pseudonyms(core.keys.all("community")[0].secret, core.registry.uid)
    tracing = Tracing(core.db, SqlCases(), SqlMovements(), orders, core.registry, pseudonyms, core.audit, core.clock)
    footfall = Footfall(core.db, store, core.clock)
    return TracingParts(
        orders, tracing, footfall, Statistics(core.db, store, footfall, core.registry, core.audit, core.clock)
    )


def wire(core: Core, app: Flask) -> None:
    from community_flow.entrypoints import statistics as statistics_pages
    from community_flow.entrypoints import tracing as tracing_pages

    parts = tracing_parts(core)
    core.parts["orders_in_force"] = parts.orders.numbers_in_force
    app.register_blueprint(tracing_pages.blueprint(parts.tracing, parts.orders, core.registry, core.clock))
    app.register_blueprint(statistics_pages.blueprint(parts.statistics, core.clock))
