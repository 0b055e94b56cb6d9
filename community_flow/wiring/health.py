"""/healthz, /readyz, /metrics."""

from __future__ import annotations

import platform
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from flask import Flask

from community_flow import __version__
from community_flow.adapters import processes
from community_flow.adapters.prometheus import CONTENT_TYPE
from community_flow.adapters.sql.migrate import head
from community_flow.adapters.sql.queries_devices import SqlDevices
from community_flow.adapters.sql.queries_health import SqlHealth
from community_flow.domain.scope import Scope
from community_flow.entrypoints import health
from community_flow.ports import Transaction
from community_flow.ports.health import Part, Reading
from community_flow.services.devices import state_of
from community_flow.services.health import PATIENCE_S, Probe, patient
from community_flow.services.patience import Patient
from community_flow.wiring.backup import newest_backup_s
from community_flow.wiring.clock import server_clock_of
from community_flow.wiring.core import Core
from community_flow.wiring.notices import notices_of

LOW_BYTES = 500 * 2**20
FULL_BYTES = 4 * 2**20
STATES = ("ok", "late", "down", "never", "skewed", "mismatch", "fault", "revoked")


def wire(core: Core, app: Flask) -> None:
    store = SqlHealth(core.db, lambda tx: device_states(core, tx))
    core.background.append(store.marks.start)
    folder = core.settings.data_dir
    twins = core.traffic.checks  # Redis and the broker, where they are set

    def store_check() -> str | None:
        if core.db.is_sqlite and free_bytes(folder) < FULL_BYTES:
            return "The disk is full: devices keep their reports meanwhile. Make room on it."
        return store.trouble()

    parts = {"store": Part(store_check, needed=True), "disk": Part(lambda: _disk_trouble(folder))}
    watch = server_clock_of(core)
    if watch is not None:
        parts["clock"] = Part(watch.trouble)
    probe = Probe({**parts, **{name: Part(check) for name, check in twins.items()}})
    # A store that hangs must not hang whoever watches it.
    rows = Patient(store.readings, [Reading("store_up", 0)], lambda _: [Reading("store_up", 0)])
    none: list[Reading] = []
    told = Patient(lambda: _told(core), none, lambda _: none)
    pings = {name: patient(check) for name, check in twins.items()}

    def readings() -> Iterator[Reading]:
        yield from rows.ask(PATIENCE_S)
        yield from _ups(pings)
        yield from _machine(core)
        yield from told.ask(PATIENCE_S)
        if watch is not None:
            yield Reading("clock_believed", 1 if watch.judgement.trouble is None else 0)
            yield Reading("clock_off_seconds", watch.judgement.off_ms / 1000)

    def figures() -> tuple[bytes, str]:
        return core.traffic.meter.text(list(readings())), CONTENT_TYPE

    app.register_blueprint(health.blueprint(probe, figures))


def device_states(core: Core, tx: Transaction) -> dict[str, int]:
    """How many devices are in each state, of all communities."""
    everywhere = Scope.system(core.registry.store.communities(tx))
    statuses, now_ms = SqlDevices().statuses(tx, everywhere), core.clock.now_ms()
    rows = core.registry.store.current(tx, everywhere, "device")
    found = Counter(state_of(device, statuses.get(name), now_ms) for _, name, device in rows)
    return {state: found.get(state, 0) for state in STATES}


def free_bytes(folder: Path) -> int:
    """Free on the disk of the folder; 0 when it cannot be looked at."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _disk_trouble(folder: Path) -> str | None:
    free = free_bytes(folder)
    return None if free >= LOW_BYTES else f"Only {free // 2**20} MiB are free beside the data: make room on the disk."


def _told(core: Core) -> list[Reading]:
    return [Reading("notices", count, {"state": state}) for state, count in notices_of(core).tally().items()]


def _ups(pings: dict[str, Patient[str | None]]) -> Iterator[Reading]:
    for name, ping in pings.items():
        yield Reading(f"{name}_up", 1 if ping.ask(PATIENCE_S) is None else 0)


def _machine(core: Core) -> Iterator[Reading]:
    yield Reading("data_free_bytes", free_bytes(core.settings.data_dir))
    build = {"version": __version__, "python": platform.python_version(), "revision": head()}
    yield Reading("build_info", 1, build)
    backup_s = newest_backup_s(core.settings)
    if backup_s is not None:
        yield Reading("backup_timestamp_seconds", backup_s)
    yield from processes.readings(core.traffic.meter.figures.processes())
