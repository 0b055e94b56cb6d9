"""The outbox of notices: who writes into it, who looks for what nobody reports, where it goes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from flask import Flask

from community_flow.adapters.sql.queries_devices import SqlDevices, SqlTray
from community_flow.adapters.sql.queries_notices import SqlNotices
from community_flow.adapters.webhook import Webhook
from community_flow.domain import device_state, notices
from community_flow.domain.notices import Notice
from community_flow.domain.scope import Scope
from community_flow.ports import Transaction
from community_flow.ports.notices import Sink
from community_flow.ports.server_clock import ClockNote
from community_flow.services.notices import Notices
from community_flow.settings import BadSetting, Settings
from community_flow.wiring.clock import server_clock_of
from community_flow.wiring.core import Core

LOW_BYTES = 500 * 2**20
DAY_MS = 24 * notices.HOUR_MS
LEAST_KEY = 16


def notices_of(core: Core) -> Notices:
    """Made once for each core."""
    if "notices" not in core.parts:
        found = Notices(core.db, SqlNotices(), sink_of(core.settings), core.clock)
        found.watchers += [
            lambda tx: _silent_devices(core, found.begun_ms, tx),
            lambda tx: _grown_trays(core, tx),
            lambda tx: _full_disk(core, core.settings.data_dir),
        ]
        watch = server_clock_of(core)
        if watch is not None:
            watch.changed.append(lambda tx, note: _clock(found, tx, note))
        core.parts["notices"] = found
    made: Notices = core.parts["notices"]
    return made


def sink_of(settings: Settings) -> Sink | None:
    """The webhook of FLOW_NOTIFY_URL; None when nobody is to be told."""
    if settings.notify_url is None:
        return None
    if settings.notify_key_file is None:
        raise BadSetting("FLOW_NOTIFY_URL needs FLOW_NOTIFY_KEY_FILE: a file of at least 16 random bytes")
    try:
        key = settings.notify_key_file.read_bytes().strip()
    except OSError as error:
        raise BadSetting(
            f"FLOW_NOTIFY_KEY_FILE cannot be read ({error.strerror}): {settings.notify_key_file}"
        ) from error
    if len(key) < LEAST_KEY:
        raise BadSetting("FLOW_NOTIFY_KEY_FILE is too short: make it with `openssl rand -hex 32`")
    return Webhook(settings.notify_url, key)


def wire(core: Core, app: Flask) -> None:
    core.background.append(notices_of(core).start)


def _silent_devices(core: Core, begun_ms: int, tx: Transaction) -> Iterator[Notice]:
    """One notice for each silence, known by the moment since when, and one when the device is heard again."""
    everywhere, now_ms = Scope.system(core.registry.store.communities(tx)), core.clock.now_ms()
    statuses, told = SqlDevices().statuses(tx, everywhere), _silences_told(tx)
    for community, device, data in core.registry.store.current(tx, everywhere, "device"):
        status = statuses.get(device)
        if data.status != "active" or status is None or not status.last_ms:
            continue
        silence_ms = device_state.silence_of(data.kind, status.silence_ms)
        if now_ms - max(status.last_ms, begun_ms) > silence_ms:
            at_ms, key = status.last_ms + silence_ms, f"{SILENT}{device}|{status.last_ms}"
            yield Notice("device_silent", community, data.gate, at_ms, "/devices", (key,))
        elif told.get(device, status.last_ms) < status.last_ms:
            key = f"{BACK}{device}|{told[device]}"
            yield Notice("device_back", community, data.gate, status.last_ms, "/devices", (key,))


SILENT, BACK = "device_silent|", "device_back|"


def _silences_told(tx: Transaction) -> dict[str, int]:
    """Device -> since when it was silent, of the last silence that somebody was told of."""
    found: dict[str, int] = {}
    for key in SqlNotices().keys(tx, SILENT):
        device, since = key.removeprefix(SILENT).split("|", 1)
        if since.isdecimal():
            found[device] = max(found.get(device, 0), int(since))
    return found


def _grown_trays(core: Core, tx: Transaction) -> Iterator[Notice]:
    now_ms = core.clock.now_ms()
    for community in core.registry.store.communities(tx):
        step = notices.tray_step(sum(SqlTray().count_open(tx, Scope.system({community})).values()))
        if step is not None:
            key = f"tray_grows|{community}|{step}|{now_ms // DAY_MS}"
            yield Notice("tray_grows", community, None, now_ms, "/tray", (key,))


def _full_disk(core: Core, folder: Path) -> Iterator[Notice]:
    now_ms = core.clock.now_ms()
    if shutil.disk_usage(folder).free < LOW_BYTES:
        yield Notice("disk_low", None, None, now_ms, "/", (f"disk_low|{now_ms // DAY_MS}",))


def _clock(found: Notices, tx: Transaction, note: ClockNote) -> None:
    kind, now_ms = "clock_right" if note.trouble is None else "clock_wrong", note.since_ms or 0
    found.put(tx, [Notice(kind, None, None, now_ms, "/devices", (f"{kind}|{note.trouble}|{now_ms}",))])
