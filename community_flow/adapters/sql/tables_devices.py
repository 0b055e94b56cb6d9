"""How devices come to be and what they are told to do: boxes that ask to be claimed, and versions of configurations."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from community_flow.adapters.sql.metadata import Json, Ms, metadata

device_requests = Table(
    "device_requests",
    metadata,
    # SHA-256 of the code that the box shows, and of the secret with which it asks whether somebody entered it.
    Column("code_hash", LargeBinary(32), primary_key=True),
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("version", Text, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("expires_ms", Ms, nullable=False),
    # Set once, by the manager who entered the code.
    Column("device", Text),
    Column("community", Text),
    Index("uq_device_requests_secret", "secret_hash", unique=True),
    Index(None, "expires_ms"),
)

device_configs = Table(
    "device_configs",
    metadata,
    Column("device", Text, nullable=False),
    # Counts up from 1 for each device; the highest is the one that it should run.
    Column("version", Integer, nullable=False),
    Column("community", Text, nullable=False),
    Column("document", Json, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("created_by", Text, nullable=False),
    # The earlier version that this one brings back.
    Column("back_to", Integer),
    # What the device told of it: running, or failed with the reason.
    Column("outcome", Text),
    Column("reason", Text),
    Column("outcome_ms", Ms),
    PrimaryKeyConstraint("device", "version"),
    Index(None, "community"),
)
