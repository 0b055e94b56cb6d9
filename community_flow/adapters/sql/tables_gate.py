"""Guards' PINs, who stands at which gate phone, emergencies, roll calls, and what hosts were asked."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, Table, Text

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

roll_ticks = Table(
    "roll_ticks",
    metadata,
    Column("community", Text, primary_key=True),
    Column("zone", Text, primary_key=True),
    # Of services/roll_calls.py: the same for a person in each call, and nothing elsewhere.
    Column("key", Text, primary_key=True),
    Column("found", Boolean, nullable=False),
    # When the guard tapped: the latest tap holds, however late it arrives.
    Column("at_ms", Ms, nullable=False),
    Column("operator", Text, nullable=False),
)

guest_asks = Table(
    "guest_asks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("gate", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("household", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("party", Integer, nullable=False),
    Column("asked_ms", Ms, nullable=False),
    Column("operator", Text, nullable=False),
    # yes or no, by whom of the household; null until somebody answers.
    Column("answer", Text),
    Column("person", Text),
    Column("answered_ms", Ms),
    Index(None, "community", "household"),
)
