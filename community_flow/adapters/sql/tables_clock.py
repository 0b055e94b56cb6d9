"""What the server remembers of its own clock."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from community_flow.adapters.sql.metadata import Ms, metadata

server_clock = Table(
    "server_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # one row, 1
    # The newest moment that was believed: a machine that starts with an earlier one has lost its clock. A person who
    # confirms the machine's time writes it here, and every process that sees it move there believes it too.
    Column("believed_ms", Ms, nullable=False),
    Column("trouble", Text),  # behind | ahead | jumped | disagrees
    Column("off_ms", Ms, nullable=False),
    Column("since_ms", Ms),
)
