"""Accounts, their tokens and sign-in links, and the audit log."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text

from community_flow.adapters.sql.metadata import Json, Ms, Raw, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("account", Text, primary_key=True),
    Column("login", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    # argon2id; null: signs in by link only
    Column("password_hash", Text),
    Column("authority", Text),
    Column("areas", Json, nullable=False),
    Column("communities", Json, nullable=False),
    Column("grids", Json),
    Column("gates", Json),
    Column("person", Text),
    Column("language", Text),
    Column("disabled", Boolean, nullable=False),
    # Part of each session: changing it signs every session of the account out.
    Column("epoch", Integer, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("seen_ms", Ms),
)

tokens = Table(
    "tokens",
    metadata,
    # SHA-256 of the secret: 256 random bits need no slow hash
    Column("digest", Raw, primary_key=True),
    Column("account", Text, nullable=False),
    # personal (API) or link (one sign-in)
    Column("kind", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("expires_ms", Ms),
    Column("used_ms", Ms),
    Column("revoked", Boolean, nullable=False),
    Index(None, "account"),
)

attempts = Table(
    "signin_attempts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_ms", Ms, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", Ms, nullable=False),
    Column("account", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("community", Text),
    Column("action", Text, nullable=False),
    # whose data were looked at: a person id, or null
    Column("person", Text),
    Column("subject", Text),
    Column("purpose", Text),
    Column("detail", Json, nullable=False),
    # HMAC-SHA256 over the row and the previous row's chain, under the audit key
    Column("chain", Raw, nullable=False),
    Index(None, "person", "number"),
    Index(None, "community", "number"),
)
