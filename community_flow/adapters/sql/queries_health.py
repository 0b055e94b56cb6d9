"""Whether the store answers, and how much waits in it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from community_flow.adapters.sql.store import SqlDatabase
from community_flow.adapters.sql.tables_flow import dirty
from community_flow.adapters.sql.tables_ingest import device_status, tray
from community_flow.ports.health import Reading

LOOK_EVERY_S = 1.0
REMEMBERED = 4_096


class SqlHealth:
    """``device_states`` counts the devices in each state, as the page of devices shows them."""

    def __init__(self, db: SqlDatabase, device_states: Callable[[Connection], Mapping[str, int]]) -> None:
        self.db, self.device_states, self.marks = db, device_states, MarkAges(db)

    def trouble(self) -> str | None:
        """None when the store answers, else what is wrong."""
        try:
            with self.db.read() as tx:
                tx.execute(select(1))
        except SQLAlchemyError as error:
            return f"The store does not answer ({type(error).__name__}): devices keep their reports meanwhile."
        return None

    def readings(self) -> list[Reading]:
        """Gauges; all but one are missing when the store is away."""
        try:
            with self.db.read() as tx:
                return [Reading("store_up", 1), *self._fold(tx), *self._tray(tx), *self._devices(tx), *_tallies(tx)]
        except SQLAlchemyError:
            return [Reading("store_up", 0)]

    def _fold(self, tx: Connection) -> Iterator[Reading]:
        waiting, oldest = tx.execute(select(func.count(), func.min(dirty.c.id)).select_from(dirty)).one()
        yield Reading("fold_waiting", waiting)
        yield Reading("fold_oldest_mark_seconds", 0.0 if oldest is None else self.marks.age_s(oldest))

    def _tray(self, tx: Connection) -> Iterator[Reading]:
        counted = select(tray.c.reason, func.count()).where(tray.c.state == "open").group_by(tray.c.reason)
        rows: list[tuple[str, int]] = [(reason, count) for reason, count in tx.execute(counted)]
        for reason, count in rows or [("none", 0)]:
            yield Reading("tray_open", count, {"reason": reason})

    def _devices(self, tx: Connection) -> Iterator[Reading]:
        for state, count in sorted(self.device_states(tx).items()):
            yield Reading("devices", count, {"state": state})


def _tallies(tx: Connection) -> Iterator[Reading]:
    """What ingest adds up for each device anyway."""
    sums = select(func.sum(device_status.c.forged), func.sum(device_status.c.unknown_fields))
    forged, unknown = tx.execute(sums).one()
    yield Reading("forged_total", float(forged or 0))
    yield Reading("unknown_fields_total", float(unknown or 0))


class MarkAges:
    """How long the oldest row of marks has been waiting. They carry no time of their own, which would cost every
    report; so the greatest number is looked at once a second, and a row is as old as the first look that saw its
    number. What is unpacked gets new numbers: in a flood what is still packed is older and tells the age; for some
    thousand marks that are left alone it is the time since they were unpacked."""

    def __init__(self, db: SqlDatabase) -> None:
        self.db = db
        self._seen: deque[tuple[float, int]] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._run, name="fold lag", daemon=True).start()

    def look(self) -> None:
        with self.db.read() as tx:
            greatest = tx.execute(select(func.max(dirty.c.id))).scalar()
        with self._lock:
            if greatest is not None and (not self._seen or greatest > self._seen[-1][1]):
                self._seen.append((time.monotonic(), greatest))

    def age_s(self, mark: int) -> float:
        with self._lock:
            since = next((at for at, greatest in self._seen if greatest >= mark), time.monotonic())
        return time.monotonic() - since

    def _run(self) -> None:
        while True:
            with suppress(SQLAlchemyError):  # the store's own figures say that it is away
                self.look()
            time.sleep(LOOK_EVERY_S)
