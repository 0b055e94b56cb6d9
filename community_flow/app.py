"""The only place where adapters, services and entrypoints meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask import Flask, send_from_directory
from werkzeug.wrappers import Response

from community_flow.adapters.clock import SystemClock
from community_flow.adapters.keys import KeyRing
from community_flow.adapters.memory_traffic import MemoryLimits, MemoryOnce, MemoryRecentIds, MemorySignals
from community_flow.adapters.prometheus import PrometheusMeter
from community_flow.adapters.sql.group_commit import GroupCommit
from community_flow.adapters.sql.queries_accounts import SqlAccounts
from community_flow.adapters.sql.queries_audit import SqlAudit
from community_flow.adapters.sql.queries_devices import SqlDevices
from community_flow.adapters.sql.queries_ingest import SqlReports
from community_flow.adapters.sql.queries_kept import SqlKept
from community_flow.adapters.sql.queries_registry import SqlJournal
from community_flow.adapters.sql.queries_tracing import SqlOrders
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.entrypoints import audit as audit_pages
from community_flow.entrypoints import login, privacy, users
from community_flow.entrypoints.access import guard_app, public
from community_flow.entrypoints.ingest_http import reports_route
from community_flow.entrypoints.languages import speak
from community_flow.entrypoints.problems import translate_errors
from community_flow.entrypoints.security import secure_headers
from community_flow.ports import Clock
from community_flow.ports.ingest import Signals
from community_flow.services.accounts import Accounts
from community_flow.services.audit import Audit
from community_flow.services.community_keys import CommunityKeys
from community_flow.services.devices import Devices
from community_flow.services.flow import Flow, FoldWorker
from community_flow.services.footfall import Footfall
from community_flow.services.ingest import Ingest
from community_flow.services.ingest_keys import IngestKeys
from community_flow.services.kept import Kept
from community_flow.services.labelling import Labelling
from community_flow.services.orders import Orders
from community_flow.services.passages import Passages
from community_flow.services.pseudonyms import Pseudonyms
from community_flow.services.registry import Registry
from community_flow.services.statistics import Statistics
from community_flow.services.tracing import Tracing
from community_flow.services.trust import Trust
from community_flow.settings import Settings
from sensors.wire import PATH as REPORTS_PATH
from web import ROOT

DAY_MS = 86_400_000
ORDER_DAYS = 21
"""How long reports are kept while an order is in force."""

@dataclass
class Core:
    """What every feature is built from. Features put their services into `parts` for features wired after them."""

    settings: Settings
    clock: Clock
    db: SqlDatabase
    keys: KeyRing
    audit: Audit
    registry: Registry
    accounts: Accounts
    # Started by the server's worker, never by create_app.
    background: list[Callable[[], None]] = field(default_factory=list)
    # WSGI callables beside Flask, by path: for routes where Flask's own cost is the larger part.
    raw_routes: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)
    # Live versions and wake-ups; Redis carries them between processes when it is set.
    signals: Signals = field(default_factory=MemorySignals)


def build_core(settings: Settings, clock: Clock | None = None) -> Core:
    """Adapters and the services that everything shares; used by the server and by the command line."""
    from community_flow.adapters.sql.queries_marks import SqlFoldMarks

    clock = clock or SystemClock()
    keys = KeyRing(settings.data_dir / "keys", settings.key_file)
    db = SqlDatabase(settings.store_url)
    audit = Audit(db, SqlAudit(), keys.now("audit").secret, clock)
    registry = Registry(db, SqlJournal(), SqlFoldMarks(), clock)
    accounts = Accounts(db, SqlAccounts(), registry, audit, clock)
    return Core(settings, clock, db, keys, audit, registry, accounts)


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


def create_app(settings: Settings, clock: Clock | None = None) -> Flask:
    """The whole web application. Starts no thread: see `start_background`."""
    core = build_core(settings, clock)
    app = Flask("community_flow", static_folder=str(ROOT / "static"), template_folder=str(ROOT / "templates"))
    app.config.update(
        SECRET_KEY=core.keys.now("session").secret,
        SESSION_COOKIE_NAME="flow",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        MAX_CONTENT_LENGTH=32 * 1024 * 1024,
        BABEL_TIMEZONE=settings.timezone,
    )
    app.extensions["flow"] = core
    translate_errors(app)
    guard_app(app, core.accounts)
    speak(app, ROOT / "translations", settings.timezone)
    secure_headers(app)
    _wire_access(core, app)
    for wire in WIRING:
        wire(core, app)
    _serve_vendor(app)
    _put_raw_routes(core, app)
    return app


def start_background(app: Flask) -> None:
    """Begin the worker's threads (fold, jobs). Called once by the process that serves."""
    core: Core = app.extensions["flow"]
    for start in core.background:
        start()


def _wire_access(core: Core, app: Flask) -> None:
    app.register_blueprint(login.blueprint(core.accounts))
    app.register_blueprint(users.blueprint(core.accounts))
    app.register_blueprint(audit_pages.blueprint(core.audit, core.accounts))
    app.register_blueprint(privacy.blueprint(core.settings, core.audit, Kept(core.db, core.registry, SqlKept())))


def _wire_shell(core: Core, app: Flask) -> None:
    from community_flow.entrypoints import shell

    shell.dress(app, core.clock, core.parts)


def _wire_ingest(core: Core, app: Flask) -> None:
    core.raw_routes[REPORTS_PATH] = reports_route(ingest_parts(core).ingest)


@dataclass(frozen=True)
class FlowParts:
    """The fold and what reads its tables; shared by routes, commands and the demo."""

    flow: Flow
    passages: Passages


def flow_parts(core: Core) -> FlowParts:
    """Made once for each core."""
    if "flow" not in core.parts:
        from community_flow.adapters.sql.queries_fold_reports import SqlFoldQueue, SqlFoldReports
        from community_flow.adapters.sql.queries_fold_rows import SqlFoldRows
        from community_flow.adapters.sql.queries_passages import SqlPassages

        flow = Flow(
            core.db, core.registry, SqlFoldQueue(), SqlFoldReports(), SqlFoldRows(), core.signals, core.clock
        )
        pseudonyms = Pseudonyms(core.keys.all("community")[0].secret, core.registry.uid)
        passages = Passages(core.db, SqlPassages(), flow.rules, pseudonyms, core.audit, core.clock)
        core.parts["flow"] = FlowParts(flow, passages)
    found: FlowParts = core.parts["flow"]
    return found


def _wire_flow(core: Core, app: Flask) -> None:
    from community_flow.entrypoints import passages

    parts = flow_parts(core)
    app.register_blueprint(passages.blueprint(parts.passages))
    core.background.append(FoldWorker(parts.flow, core.signals).start)


@dataclass(frozen=True)
class TracingParts:
    """Orders, cases and statistics, as the pages and the command line use them."""

    orders: Orders
    tracing: Tracing
    footfall: Footfall
    statistics: Statistics


def tracing_parts(core: Core) -> TracingParts:
    from community_flow.adapters.sql.queries_statistics import SqlFootfall
    from community_flow.adapters.sql.queries_tracing import SqlCases, SqlMovements, SqlOrders

    store = SqlFootfall()
    orders = Orders(core.db, SqlOrders(), core.registry, core.audit, core.clock)
    pseudonyms = Pseudonyms(core.keys.all("community")[0].secret, core.registry.uid)
    tracing = Tracing(
        core.db, SqlCases(), SqlMovements(), orders, core.registry, pseudonyms, core.audit, core.clock
    )
    footfall = Footfall(core.db, store, core.clock)
    return TracingParts(
        orders, tracing, footfall, Statistics(core.db, store, footfall, core.registry, core.audit, core.clock)
    )


def _wire_tracing(core: Core, app: Flask) -> None:
    from community_flow.entrypoints import statistics as statistics_pages
    from community_flow.entrypoints import tracing as tracing_pages

    parts = tracing_parts(core)
    core.parts["orders_in_force"] = parts.orders.numbers_in_force
    app.register_blueprint(tracing_pages.blueprint(parts.tracing, parts.orders, core.registry, core.clock))
    app.register_blueprint(statistics_pages.blueprint(parts.statistics, core.clock))


def _wire_gate(core: Core, app: Flask) -> None:
    from community_flow.adapters.sql.queries_gate import SqlGate, SqlGuards
    from community_flow.adapters.sql.queries_passes import SqlPasses
    from community_flow.adapters.sql.queries_people import SqlPeople
    from community_flow.entrypoints import scanner
    from community_flow.services.gate import GateDesk
    from community_flow.services.gate_records import GateRecords
    from community_flow.services.guards import Guards

    parts, keys = ingest_parts(core), CommunityKeys(core.keys)
    records = GateRecords(core.registry, SqlPasses(), SqlPeople(), keys)
    desk = GateDesk(
        core.db, core.registry, records, SqlPeople(), SqlGate(), keys, core.keys, parts.keys, core.audit, core.clock
    )
    guards = Guards(core.db, SqlGuards(), core.accounts.store, core.audit, core.clock)
    app.register_blueprint(scanner.blueprint(desk, guards, parts.trust, parts.devices))


WIRING: tuple[Callable[[Core, Flask], None], ...] = (_wire_tracing, _wire_shell, _wire_ingest, _wire_flow, _wire_gate,)
"""One function per feature, in the order in which they need each other."""


def _serve_vendor(app: Flask) -> None:
    @app.get("/vendor/<path:path>", endpoint="vendor")
    @public
    def vendor(path: str) -> Response:
        return send_from_directory(ROOT / "vendor", path, max_age=3600)


def _put_raw_routes(core: Core, app: Flask) -> None:
    if not core.raw_routes:
        return
    flask_app: Any = app.wsgi_app
    raw = core.raw_routes

    def dispatch(environ: Any, start_response: Any) -> Any:
        return raw.get(environ.get("PATH_INFO", ""), flask_app)(environ, start_response)

    app.wsgi_app = dispatch  # type: ignore[method-assign]
