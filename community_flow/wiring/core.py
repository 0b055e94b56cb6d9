"""What every feature is built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from community_flow.adapters.clock import SteadyClock
from community_flow.adapters.keys import KeyRing
from community_flow.adapters.sql.presence import Presence
from community_flow.adapters.sql.queries_accounts import SqlAccounts
from community_flow.adapters.sql.queries_audit import SqlAudit
from community_flow.adapters.sql.queries_registry import SqlJournal
from community_flow.adapters.sql.signals import PostgresSignals
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.domain.errors import Conflict
from community_flow.ports import Clock
from community_flow.ports.ingest import Signals
from community_flow.services.accounts import Accounts
from community_flow.services.audit import Audit
from community_flow.services.registry import Registry
from community_flow.services.restore import interrupted
from community_flow.settings import Settings
from community_flow.wiring.traffic import Traffic, build_traffic

AWAY = ("OperationalError", "TimeoutError")
"""What `SqlDatabase.ping` says of a store that does not answer."""

HALF_RESTORED = "A restore was interrupted: run `python -m community_flow init` to bring it to its end."


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
    traffic: Traffic
    # Started by the server's worker, never by create_app.
    background: list[Callable[[], None]] = field(default_factory=list)
    # WSGI callables beside Flask, by path: for routes where Flask's own cost is the larger part.
    raw_routes: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)

    @property
    def signals(self) -> Signals:
        """Live versions and wake-ups; Redis carries them between processes when it is set."""
        return self.traffic.signals


def build_core(settings: Settings, clock: Clock | None = None) -> Core:
    """Adapters and the services that everything shares; used by the server and by the command line."""
    from community_flow.adapters.sql.queries_marks import SqlFoldMarks

    if interrupted(settings.data_dir):
        raise Conflict(HALF_RESTORED)
    clock = clock or SteadyClock()
    keys = KeyRing(settings.data_dir / "keys", settings.key_file)
    db = SqlDatabase(settings.store_url)
    audit = Audit(db, SqlAudit(), keys.now("audit").secret, clock)
    registry = Registry(db, SqlJournal(), SqlFoldMarks(), clock)
    accounts = Accounts(db, SqlAccounts(), registry, audit, clock)
    core = Core(settings, clock, db, keys, audit, registry, accounts, build_traffic(settings, db))
    core.background.append(Presence(db).start)
    if isinstance(core.signals, PostgresSignals):
        core.background.append(core.signals.start)
    if db.heartbeat is not None:
        core.background.append(db.heartbeat.start)
    return core


def refuse_other_tables(core: Core) -> None:
    """Raise Conflict for a store of another version. One that is away now is looked at by whoever asks it later."""
    from community_flow.adapters.sql.migrate import refuse_other

    if core.db.ping() not in AWAY:
        try:
            refuse_other(core.db)
        except Conflict:
            core.db.close()
            raise
