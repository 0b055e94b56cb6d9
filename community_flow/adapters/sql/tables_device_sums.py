"""How far the counters of devices were compared with what arrived."""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text

from community_flow.adapters.sql.metadata import Json, Ms, metadata

device_sums = Table(
    "device_sums",
    metadata,
    Column("device", Text, nullable=False),
    Column("boot", Ms, nullable=False),
    Column("community", Text, nullable=False),
    Column("highest", Ms, nullable=False),
    # {seq, t_ms, counters} of two statuses: the last at which all had arrived, and the last that was looked at.
    Column("base", Json),
    Column("last", Json),
    Column("carried", Json, nullable=False),
    Column("differs", Json, nullable=False),
    Column("first_ms", Ms),
    Column("since_ms", Ms),
    PrimaryKeyConstraint("device", "boot"),
    Index(None, "community"),
)
