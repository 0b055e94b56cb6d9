"""Reports in, devices, the tray, health."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from flask import Flask

from community_flow.adapters.prometheus import PrometheusMeter
from community_flow.adapters.sql.group_commit import GroupCommit, LiveAndLate
from community_flow.adapters.sql.queries_device_configs import SqlConfigs
from community_flow.adapters.sql.queries_device_requests import SqlRequests
from community_flow.adapters.sql.queries_device_sums import SqlDeviceSums
from community_flow.adapters.sql.queries_devices import SqlDevices, SqlTray
from community_flow.adapters.sql.queries_ingest import SqlReports
from community_flow.adapters.sql.queries_tracing import SqlOrders
from community_flow.domain.scope import Scope
from community_flow.entrypoints import device_box, device_pages
from community_flow.entrypoints import devices as device_routes
from community_flow.entrypoints.ingest_http import reports_route
from community_flow.entrypoints.ingest_loop import ReportsDesk
from community_flow.entrypoints.shedding import shed_reads
from community_flow.ports import Transaction
from community_flow.ports.ingest import Kept, Once, Signals, Submission
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.device_pictures import DevicePictures
from community_flow.services.device_requests import DeviceRequests
from community_flow.services.device_settings import DeviceSettings
from community_flow.services.device_sums import DeviceSums
from community_flow.services.device_tokens import DeviceTokens
from community_flow.services.devices import Devices
from community_flow.services.held_reports import LettingGo
from community_flow.services.ingest import NO_TIME, Ingest
from community_flow.services.ingest_keys import IngestKeys
from community_flow.services.labelling import Labelling
from community_flow.services.orders import Orders
from community_flow.services.table_keys import TableKeys
from community_flow.services.tray import Tray
from community_flow.services.tray_guard import TrayGuard
from community_flow.services.trust import Trust
from community_flow.wiring.clock import knows_time
from community_flow.wiring.core import Core
from community_flow.wiring.devices import first_told, gates_told, pictures_of
from community_flow.wiring.mqtt import device_links
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
    tray: Tray
    keys: IngestKeys
    meter: PrometheusMeter
    once: Once
    letting_go: LettingGo
    commits: LiveAndLate
    settings: DeviceSettings
    requests: DeviceRequests
    pictures: DevicePictures
    sums: DeviceSums


def ingest_parts(core: Core) -> IngestParts:
    """Made once for each core."""
    if "ingest" not in core.parts:
        core.parts["ingest"] = _build_ingest(core)
    found: IngestParts = core.parts["ingest"]
    return found


def _build_ingest(core: Core) -> IngestParts:
    traffic, keys = core.traffic, IngestKeys(core.keys)
    store = SqlReports(keys.seal)
    trust = Trust(core.db, store, core.registry, core.keys, horizon_of(core), core.clock)
    commits = _commits(core, store)
    committer = TrayGuard(commits, _open_of(core), traffic.meter, core.clock)
    ingest = Ingest(
        core.db, trust, Labelling(CommunityKeys(core.keys), keys.private), store, committer,
        traffic.reports, traffic.recent, traffic.meter, core.clock, knows_time(core),
    )  # fmt: skip
    devices = Devices(core.db, SqlDevices(), core.registry, core.audit, trust, DeviceTokens(core.keys), core.clock)
    settings = DeviceSettings(devices, SqlConfigs(), gates_told, core.signals, first_told)
    requests = DeviceRequests(core.db, SqlRequests(), devices, settings, core.clock)
    pictures = DevicePictures(
        core.db, core.registry, core.audit, pictures_of(core), core.clock,
        lambda: core.db.is_sqlite or core.settings.redis_url is not None,
    )  # fmt: skip
    if (links := device_links(core)) is not None:
        devices.after_change.append(links.changed)
    tray = Tray(core.db, SqlTray(), store, ingest, keys, core.audit, core.signals, core.clock)
    letting_go = LettingGo(
        core.db, SqlTray(), store, horizon_of(core), core.audit, core.signals, core.clock, knows_time(core)
    )
    sums = DeviceSums(core.db, SqlDeviceSums(), horizon_of(core), core.signals, core.clock)
    return IngestParts(
        ingest, devices, trust, tray, keys, traffic.meter, traffic.once, letting_go, commits, settings, requests,
        pictures, sums,
    )  # fmt: skip


def _commits(core: Core, store: SqlReports) -> LiveAndLate:
    def groups() -> GroupCommit:
        return GroupCommit(core.db.line(), store, core.traffic.meter, partial(_wake, core.signals))

    live = groups()
    return LiveAndLate(live, live if core.db.is_sqlite else groups(), core.traffic.meter)


def _open_of(core: Core) -> Callable[[str, int], int]:
    def count(device: str, most: int) -> int:
        with core.db.read() as tx:
            return SqlTray().open_of_device(tx, device, most)

    return count


def _wake(signals: Signals, submissions: Sequence[Submission], kept: Sequence[Kept]) -> None:
    """Once for a group, however many reports it brought."""
    for community in {each.community for each, found in zip(submissions, kept, strict=True) if found.fresh}:
        signals.wake(community)


def _authors(core: Core, scope: Scope) -> dict[str, str]:
    return {each.account: each.name for each in core.accounts.list(scope)}


def horizon_of(core: Core) -> Callable[[Transaction, str], int]:
    """How far back reports are taken: the everyday retention, or an order's."""
    orders = Orders(core.db, SqlOrders(), core.registry, core.audit, core.clock)

    def horizon_ms(tx: Transaction, community: str) -> int:
        days = core.settings.retention_days
        return DAY_MS * (max(days, ORDER_DAYS) if orders.in_force(tx, community, None) else days)

    return horizon_ms


def told_ms(core: Core) -> Callable[[], int]:
    """The server's time, as devices are told it."""
    knows = knows_time(core)
    return lambda: core.clock.now_ms() if knows() else NO_TIME


def wire(core: Core, app: Flask) -> None:
    parts = ingest_parts(core)
    core.background += [parts.letting_go.start, parts.sums.start]
    core.raw_routes[REPORTS_PATH] = reports_route(parts.ingest)
    desk = core.parts["desk"] = ReportsDesk(parts.ingest, parts.meter)
    shed_reads(
        app,
        lambda: max(parts.commits.waiting_s(), desk.together.waiting_s()),
        lambda: parts.meter.add("reads_shed_total"),
    )
    broker = core.settings.mqtt
    app.register_blueprint(
        device_routes.blueprint(
            parts.devices, parts.requests, parts.settings, parts.trust, parts.keys, core.traffic.codes, core.clock,
            knows_time(core), TableKeys(core.keys).public,
            broker.for_devices if broker else None,
        )
    )  # fmt: skip
    app.register_blueprint(
        device_box.blueprint(
            parts.requests, parts.settings, parts.pictures, parts.trust, core.traffic.codes, core.clock,
            knows_time(core), broker.for_devices if broker else None,
        )
    )  # fmt: skip
    app.register_blueprint(
        device_pages.blueprint(parts.devices, parts.settings, parts.pictures, partial(_authors, core))
    )
