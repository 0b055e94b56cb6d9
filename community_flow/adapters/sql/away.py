"""What it looks like when the store itself is not there: server gone, connection cut, disk full, no connection free."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError

from community_flow.ports.ingest import StoreAway

SIGNS = (
    OperationalError, InterfaceError, TimeoutError, sqlite3.OperationalError, psycopg.OperationalError,
    psycopg.InterfaceError,
)  # fmt: skip


class StoreGone(StoreAway, OperationalError):  # type: ignore[misc]  # `code` is ours, not the driver's
    """A refusal that names its remedy, and still an error of the driver for those who count or retry such errors."""

    def __init__(self, cause: Exception) -> None:
        Exception.__init__(self, str(cause))
        self.remedy = "The store does not answer now (%(why)s): try again in a moment."
        self.field, self.values = None, {"why": type(cause).__name__}
        self.statement = self.params = None
        self.orig, self.hide_parameters, self.ismulti, self.connection_invalidated = cause, True, False, False

    def __str__(self) -> str:
        return self.remedy % self.values


@contextmanager
def told() -> Iterator[None]:
    """Errors that mean "the store is away" leave this block as StoreGone; a wrong statement stays what it is."""
    try:
        yield
    except StoreGone:
        raise
    except SIGNS as error:
        if _is_our_fault(error):
            raise
        raise StoreGone(error) from error


def _is_our_fault(error: Exception) -> bool:
    """SQLite says "operational" of a table that does not exist, too: its plain SQLITE_ERROR."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
