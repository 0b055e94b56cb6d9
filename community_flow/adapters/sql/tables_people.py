"""Uploads of residents on their way into the registry. They hold personal data, so they live a day at most."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text

from community_flow.adapters.sql.metadata import Json, Ms, metadata

imports = Table(
    "imports",
    metadata,
    Column("id", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("state", Text, nullable=False),  # preview | running | done
    # {heading, rows, first_line}; emptied to the rows with faults when all is done.
    Column("content", Json, nullable=False),
    Column("mapping", Json, nullable=False),
    Column("counts", Json, nullable=False),
    Column("faults", Json, nullable=False),
    # How many of the rows that can be kept have been.
    Column("kept", Integer, nullable=False),
    Index(None, "created_ms"),
)
