"""The outbox of notices: written with what they tell of, sent afterwards."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text

from community_flow.adapters.sql.metadata import Ms, metadata

notices = Table(
    "outbox_notices",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("community", Text),  # null: the whole installation
    Column("gate", Text),
    Column("at_ms", Ms, nullable=False),
    Column("path", Text, nullable=False),
    Column("created_ms", Ms, nullable=False),
    # The message that carries it; empty for what is too old to be told.
    Column("message", Text),
    Index(None, "message"),
    Index(None, "created_ms"),
    sqlite_autoincrement=True,
)

notice_keys = Table(
    "outbox_keys",
    metadata,
    # What was told before: kind, community and a report's triple, or whatever else names the thing.
    Column("key", Text, primary_key=True),
    Column("created_ms", Ms, nullable=False),
    Index(None, "created_ms"),
)

notice_messages = Table(
    "outbox_messages",
    metadata,
    # Goes out as Idempotency-Key: an attempt that was taken and then forgotten by a crash is not taken twice.
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("community", Text),
    Column("gate", Text),
    Column("count", Integer, nullable=False),
    Column("from_ms", Ms, nullable=False),
    Column("to_ms", Ms, nullable=False),
    Column("path", Text, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("next_ms", Ms, nullable=False),
    Column("sent_ms", Ms),
    Column("given_up_ms", Ms),
    Column("error", Text),
    Index(None, "created_ms"),
)
