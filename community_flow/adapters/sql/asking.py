"""A list of rows to join with, in a temporary table of the connection.

A VALUES list would make every statement a new text, compiled and planned again: 1.8 ms each, more than the work itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, MetaData, Table, Text, delete, insert

from community_flow.adapters.sql.metadata import Ms, Raw

asked = Table(
    "asked",
    MetaData(),  # not ours to migrate: it lives and dies with a connection
    Column("name", Text),
    Column("ref", Raw),
    Column("lo", Raw),
    Column("hi", Raw),
    Column("from_ms", Ms),
    Column("to_ms", Ms),
    Column("number", Ms),
)

SQLITE = "CREATE TEMP TABLE IF NOT EXISTS asked (name, ref, lo, hi, from_ms, to_ms, number)"
POSTGRESQL = (
    "CREATE TEMP TABLE IF NOT EXISTS asked "
    "(name text, ref bytea, lo bytea, hi bytea, from_ms bigint, to_ms bigint, number bigint)"
)


def in_passing(column: ColumnElement[str], value: str) -> ColumnElement[bool]:
    """Equality that is checked but no index is chosen for: without statistics a planner prefers a whole community's
    primary key to the few rows of a subject."""
    return column.op("||")("") == value


def ask(tx: Connection, rows: Iterable[dict[str, Any]]) -> bool:
    """Put these rows, all with the same members, in the place of what was asked before; False when there are none."""
    wanted = list(rows)
    tx.execute(delete(asked))
    if wanted:
        tx.execute(insert(asked), wanted)
    return bool(wanted)
