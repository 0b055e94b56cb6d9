"""Guards' PINs and who stands at which gate phone."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, Table, Text

from community_flow.adapters.sql.metadata import Ms, metadata

guard_pins = Table(
    "guard_pins",
    metadata,
    Column("account", Text, primary_key=True),
    # The number on the gate and in reports, for example g12: says who, names nobody.
    Column("operator", Text, nullable=False, unique=True),
    # argon2id. Four digits can be guessed from any hash: this says who decided and protects nothing else.
    Column("pin_hash", Text, nullable=False),
    Column("changed_ms", Ms, nullable=False),
)

guard_shifts = Table(
    "guard_shifts",
    metadata,
    # SHA-256 of the session's 24 random bytes.
    Column("session_hash", LargeBinary(32), primary_key=True),
    Column("account", Text, nullable=False),
    Column("operator", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("begun_ms", Ms, nullable=False),
    Column("seen_ms", Ms, nullable=False),
    Index(None, "device"),
)
