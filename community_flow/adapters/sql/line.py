"""A connection that stays open, past SQLAlchemy: for writers whose every microsecond shows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine

from community_flow.adapters.sql.driver import Driver


class Line:
    """One writes on it at a time; made by `SqlDatabase.line`."""

    def __init__(
        self, engine: Engine, turn: AbstractContextManager[Any], told: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        """``turn`` is held while somebody writes; ``told`` turns what the driver raises into what the store says."""
        self.engine, self.turn, self.told = engine, turn, told
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._kept_open: Any = None
        self._at_once: Any = None

    @contextmanager
    def write(self) -> Iterator[Driver]:
        """One transaction, as `SqlDatabase.write`. A connection that cannot even roll back is not used again."""
        with self.turn, self.told():
            if self._kept_open is None:
                self._kept_open = self.engine.raw_connection()
            try:
                driver = Driver(self._kept_open.cursor(), self.is_sqlite)
                if self.is_sqlite:
                    driver.cursor.execute("BEGIN IMMEDIATE")
                yield driver
                self._kept_open.driver_connection.commit()
            except BaseException:
                self._drop_open()
                raise

    @contextmanager
    def write_at_once(self) -> Iterator[Driver]:
        """PostgreSQL: each statement is a transaction of its own, committed when it returns."""
        with self.turn, self.told():
            if self._at_once is None:
                self._at_once = self.engine.raw_connection()
                self._at_once.driver_connection.autocommit = True
            try:
                yield Driver(self._at_once.cursor(), self.is_sqlite)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self._at_once, broken = None, self._at_once
                broken.invalidate()
                raise

    def close(self) -> None:
        if self._kept_open is not None:
            self._drop_open()
        if self._at_once is not None:
            self._at_once.invalidate()  # nobody else may get a connection that commits by itself
            self._at_once = None

    def _drop_open(self) -> None:
        connection, self._kept_open = self._kept_open, None
        try:
            # Closing alone does not end the transaction while a cursor lives: the file would stay locked.
            connection.driver_connection.rollback()
        except (sqlite3.Error, psycopg.Error):
            connection.invalidate()
        else:
            connection.close()
