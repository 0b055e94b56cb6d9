"""Reports in, devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask

from community_flow.adapters.memory_traffic import MemoryLimits, MemoryOnce, MemoryRecentIds
from community_flow.adapters.prometheus import PrometheusMeter
from community_flow.adapters.sql.group_commit import GroupCommit
from community_flow.adapters.sql.queries_devices import SqlDevices
from community_flow.adapters.sql.queries_ingest import SqlReports
from community_flow.adapters.sql.queries_tracing import SqlOrders
from community_flow.entrypoints.ingest_http import reports_route
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.devices import Devices
from community_flow.services.ingest import Ingest
from community_flow.services.ingest_keys import IngestKeys
from community_flow.services.labelling import Labelling
from community_flow.services.orders import Orders
from community_flow.services.trust import Trust
from community_flow.wiring.core import Core
from sensors.wire import PATH as REPORTS_PATH

DAY_MS = 86_400_000
ORDER_DAYS = 21
"""How long reports are kept while an order is in force."""


@dataclass(frozen=True)
class IngestParts:
    """What takes reports in and looks after devices; shared by routes, commands and the demo."""

    ingest: Ingest
    devices: Devices
    trust: Trust
    keys: IngestKeys
    meter: PrometheusMeter
    once: MemoryOnce


def ingest_parts(core: Core) -> IngestParts:
    """Made once for each core."""
    if "ingest" not in core.parts:
        core.parts["ingest"] = _build_ingest(core)
    found: IngestParts = core.parts["ingest"]
    return found


def _build_ingest(core: Core) -> IngestParts:
    keys = IngestKeys(core.keys)
    store = SqlReports(keys.seal)
    orders = Orders(core.db, SqlOrders(), core.registry, core.audit, core.clock)

    def horizon_ms(tx: Any, community: str) -> int:
        days = core.settings.retention_days
        return DAY_MS * (max(days, ORDER_DAYS) if orders.in_force(tx, community, None) else days)

    trust = Trust(core.db, store, core.registry, core.keys, horizon_ms, core.clock)
    meter = PrometheusMeter()
    ingest = Ingest(
        core.db, trust, Labelling(CommunityKeys(core.keys), keys.private), store, GroupCommit(core.db, store),
        MemoryLimits(rate=200, burst=2_000), MemoryRecentIds(), core.signals, meter, core.clock,
    )  # fmt: skip
    devices = Devices(core.db, SqlDevices(), core.registry, core.audit, trust, core.clock)
    return IngestParts(ingest, devices, trust, keys, meter, MemoryOnce())


def wire(core: Core, app: Flask) -> None:
    core.raw_routes[REPORTS_PATH] = reports_route(ingest_parts(core).ingest)
