"""Deletion of what is older than the horizon, once a day."""

from __future__ import annotations

from flask import Flask

from community_flow.adapters.sql.queries_retention import SqlRetention
from community_flow.ports import Transaction
from community_flow.services.retention import Retention
from community_flow.wiring.clock import server_clock_of
from community_flow.wiring.core import Core
from community_flow.wiring.flow import flow_parts
from community_flow.wiring.ingest import DAY_MS, horizon_of
from community_flow.wiring.tracing import tracing_parts


def retention_of(core: Core) -> Retention:
    """Made once for each core."""
    if "retention" not in core.parts:
        horizon_ms = horizon_of(core)

        def days_kept(tx: Transaction, community: str) -> int:
            return int(horizon_ms(tx, community) // DAY_MS)

        flow, watch = flow_parts(core).flow, server_clock_of(core)
        count_first = tracing_parts(core).footfall.refresh
        core.parts["retention"] = Retention(
            core.db, SqlRetention(), flow, days_kept, count_first, core.audit, core.clock,
            *([] if watch is None else [watch.refuse_deletion]),
        )  # fmt: skip
    found: Retention = core.parts["retention"]
    return found


def communities(core: Core) -> list[str]:
    with core.db.read() as tx:
        return core.registry.store.communities(tx)


def wire(core: Core, app: Flask) -> None:
    core.background.append(lambda: retention_of(core).watch(lambda: communities(core)))
