"""What retention leaves of the time behind its horizon: each subject's last passage, from which the fold goes on."""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, Text

from community_flow.adapters.sql.metadata import Ms, Raw, metadata

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("community", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # Key of the passage; its row in `passages` holds the state before it.
    Column("key", Raw, nullable=False),
    # One row for each report that is evidence of it: these reports stay too.
    Column("device", Text, nullable=False),
    Column("boot", Ms, nullable=False),
    Column("seq", Ms, nullable=False),
    PrimaryKeyConstraint("device", "boot", "seq"),
    Index(None, "community", "subject"),
    Index(None, "community", "key"),
)
