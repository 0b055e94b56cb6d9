"""Guards' PINs, who stands at which gate phone, and when everyone was let through a gate."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table, Text

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

gate_emergencies = Table(
    "gate_emergencies",
    metadata,
    # Made by the phone, which may have no network when it begins.
    Column("id", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("gate", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("begun_ms", Ms, nullable=False),
    Column("begun_by", Text, nullable=False),
    Column("ended_ms", Ms),
    Column("ended_by", Text),
    # People let through without a pass, as the phone counted them.
    Column("counted", Integer, nullable=False),
    Index(None, "community", "gate"),
)
