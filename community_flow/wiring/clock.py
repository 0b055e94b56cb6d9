"""The watch over the server's own clock."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from community_flow.adapters.clock import SteadyClock, synchronised
from community_flow.adapters.sql.queries_clock import SqlClock
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.domain.server_clock import Evidence, judge
from community_flow.services.server_clock import HEARD_MS, SENTENCES, ServerClock
from community_flow.settings import Settings
from community_flow.wiring.core import Core, build_core


def server_clock_of(core: Core) -> ServerClock | None:
    """Made once for each core; None where the caller brought a clock of its own (tests, the demo's loader)."""
    if "server_clock" not in core.parts and isinstance(core.clock, SteadyClock):
        core.parts["server_clock"] = ServerClock(core.db, SqlClock(), core.clock, synchronised, core.audit)
    found: ServerClock | None = core.parts.get("server_clock")
    return found


def look_once(db: SqlDatabase) -> str | None:
    """For a command: what is wrong with this machine's clock, held against the store; None when it is believed."""
    clock, store = SteadyClock(), SqlClock()
    with db.read() as tx:
        note, readings = store.note(tx), store.readings(tx, clock.now_ms() - HEARD_MS)
    expected_ms = None if note is None else note.believed_ms
    trouble = judge(Evidence(clock.now_ms(), expected_ms, False, synchronised(), readings)).trouble
    return None if trouble is None else SENTENCES[trouble]


def timed_core(settings: Settings) -> Core:
    """For commands: the same time as the server's, also while that does not believe the machine. A sign-in link made
    by another time would be over before it is used, and nobody could confirm the clock."""
    core = build_core(settings)
    watch = server_clock_of(core)
    if watch is not None:
        watch.check(keep=False)
    return core


def knows_time(core: Core) -> Callable[[], bool]:
    """For whoever tells somebody the time or calls something late by it."""
    watch = server_clock_of(core)
    return (lambda: True) if watch is None else watch.knows_time


def wire(core: Core, app: Flask) -> None:
    from community_flow.entrypoints import server_clock

    watch = server_clock_of(core)
    if watch is None:
        return
    core.background.append(watch.start)
    core.parts["clock_banner"] = lambda: server_clock.banner(watch)
    app.register_blueprint(server_clock.blueprint(watch, core.clock))
