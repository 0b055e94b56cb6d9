"""Notices that PostgreSQL hangs, and lets nobody hang with it.

A server that is gone closes its connections; one that is stopped, swaps, or whose disk stands still closes nothing, and
whoever waits for its answer would wait for ever. A statement may take minutes and be in order, so no time limit on
statements can tell the two apart. This does: a question that costs nothing, asked every second on a connection of its
own. While it is not answered, waiting connections are cut and new work is refused at once; devices keep their reports.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import psycopg
import structlog
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger()

PATIENCE_S = 5.0
EVERY_S = 1.0


class Silent(psycopg.OperationalError):
    """The server has not answered for a while."""


class Heartbeat:
    """Of one engine on PostgreSQL. Until `start` it says that all is well."""

    def __init__(self, engine: Engine, patience_s: float = PATIENCE_S) -> None:
        self.engine, self.patience_s = engine, patience_s
        self._connected_s: dict[Any, float] = {}
        self._lock = threading.Lock()
        self._heard_s = float("inf")
        event.listen(engine, "connect", self._opened)
        event.listen(engine, "close", self._closed)

    def start(self) -> None:
        """Once in a process that serves."""
        self._heard_s = time.monotonic()
        threading.Thread(target=self._ask_again, name="heartbeat", daemon=True).start()
        threading.Thread(target=self._watch, name="heartbeat watch", daemon=True).start()

    def check(self) -> None:
        """Raises Silent while the server does not answer: nobody needs to find that out by waiting."""
        if self._silent_s() > self.patience_s:
            raise Silent(f"PostgreSQL has not answered for {self._silent_s():.0f} s")

    def _silent_s(self) -> float:
        return time.monotonic() - self._heard_s

    def _ask_again(self) -> None:
        while True:
            with suppress(SQLAlchemyError), self.engine.connect() as connection:
                self._keep_asking(connection)
            time.sleep(EVERY_S)

    def _keep_asking(self, connection: Connection) -> None:
        asking = connection.execution_options(isolation_level="AUTOCOMMIT")
        while True:
            asking.exec_driver_sql("SELECT 1")
            self._heard_s = time.monotonic()
            time.sleep(EVERY_S)

    def _watch(self) -> None:
        was_silent = False
        while True:
            time.sleep(EVERY_S / 2)
            silent = self._silent_s() > self.patience_s
            if silent:
                self._cut()
            if silent != was_silent:
                log.error("store silent") if silent else log.warning("store answers again")
                was_silent = silent

    def _cut(self) -> None:
        """End every wait for an answer; who waits gets an error at once. Connections younger than our patience may be
        those of a server that has just come back."""
        before_s = time.monotonic() - self.patience_s
        with self._lock:  # while this is held no connection is closed, and no number of one given to another
            for connection, since_s in self._connected_s.items():
                if since_s < before_s:
                    _hang_up(connection)

    def _opened(self, connection: Any, _: object) -> None:
        with self._lock:
            self._connected_s[connection] = time.monotonic()

    def _closed(self, connection: Any, _: object) -> None:
        with self._lock:
            self._connected_s.pop(connection, None)


def _hang_up(connection: Any) -> None:
    # Errors: it ended meanwhile.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
