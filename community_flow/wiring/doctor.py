"""Everything that `doctor` looks at."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

from community_flow.adapters.clock import wall_ms
from community_flow.adapters.keys import NAMES, KeyRing, KeyTrouble
from community_flow.adapters.sql import store_check
from community_flow.adapters.sql.store import SqlDatabase
from community_flow.ports.health import Finding, mend, note, ok
from community_flow.services import doctor
from community_flow.settings import Settings
from community_flow.wiring.clock import look_once
from web import ROOT

FONT = Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc")
LOCK = ROOT.parent / "requirements.txt"
MOUNTS = Path("/proc/mounts")
PATIENCE_S = 3.0


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, good ones too; one after the other, so that a slow one hides no other."""
    yield doctor.python()
    yield doctor.packages(LOCK)
    yield doctor.front_end(ROOT / "vendor")
    yield doctor.font(FONT)
    yield doctor.time_zone(settings.timezone)
    yield from doctor.folder(settings.data_dir)
    yield from doctor.keys(settings.data_dir / "keys", settings.key_file, lambda: _key_trouble(settings))
    yield from _store(settings)
    if settings.redis_url is not None:
        from community_flow.adapters import redis_check

        yield from redis_check.look(settings.redis_url)
    if settings.mqtt is not None:
        yield _broker(settings.mqtt.host, settings.mqtt.port)
    yield from doctor.backups(settings.backup_dir, wall_ms())


def _store(settings: Settings) -> Iterator[Finding]:
    db = SqlDatabase(settings.store_url)
    try:
        if db.is_sqlite:
            yield from doctor.local_disk(settings.data_dir, MOUNTS.read_text() if MOUNTS.exists() else "")
        found = list(store_check.look(db))
        yield from found
        if all(each.level == "ok" for each in found[:2]):
            yield _clock(look_once(db))
        else:
            yield note("The clock is held against the store: look again when that is well.")
    finally:
        db.close()


def _clock(trouble: str | None) -> Finding:
    return ok("The clock of this machine is believed.") if trouble is None else mend(trouble)


def _key_trouble(settings: Settings) -> str | None:
    ring = KeyRing(settings.data_dir / "keys", settings.key_file)
    try:
        for name in NAMES:
            ring.now(name)
    except KeyTrouble as error:
        return str(error)
    return None


def _broker(host: str, port: int) -> Finding:
    try:
        socket.create_connection((host, port), PATIENCE_S).close()
    except OSError as error:
        why = error.strerror or type(error).__name__
        return mend(f"The MQTT broker at {host}:{port} does not answer ({why}): look at FLOW_MQTT_URL.")
    return ok(f"The MQTT broker at {host}:{port} answers.")
