"""Orders, cases, decisions, opened identities, what communities were told; and hourly counts without persons."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from community_flow.adapters.sql.metadata import Json, Ms, metadata

orders = Table(
    "orders",
    metadata,
    Column("order_id", Text, primary_key=True),
    # As on the paper; unique per authority while anyone could mean it.
    Column("number", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("basis", Text, nullable=False),
    Column("area", Text, nullable=False),
    Column("from_ms", Ms, nullable=False),
    Column("until_ms", Ms, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("recorded_ms", Ms, nullable=False),
    Column("ended_ms", Ms),
    Index("uq_orders_authority_number", "authority", "number", unique=True),
)

notices = Table(
    "notices",
    metadata,
    Column("notice_id", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("at_ms", Ms, nullable=False),
    Column("kind", Text, nullable=False),  # order.recorded | order.ended | identities.opened
    Column("order_id", Text, nullable=False),
    Column("detail", Json, nullable=False),
    Index(None, "community", "at_ms"),
)

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("number", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("authority", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("index_person", Text, nullable=False),
    Column("from_ms", Ms, nullable=False),
    Column("to_ms", Ms, nullable=False),
    Column("least_min", Integer, nullable=False),
    Column("queue_s", Integer, nullable=False),
    Column("kinds", Json, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("opened_ms", Ms, nullable=False),
    # The case whose contact became this one's index person.
    Column("source_case", Text),
    # Two officials who open a case at the same moment must not get the same number.
    Index("uq_cases_community_number", "community", "number", unique=True),
)

decisions = Table(
    "case_decisions",
    metadata,
    Column("case_id", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("status", Text, nullable=False),  # candidate | contact | cleared
    Column("decided_by", Text, nullable=False),
    Column("decided_ms", Ms, nullable=False),
    Column("note", Text),
    PrimaryKeyConstraint("case_id", "person"),
)

openings = Table(
    "openings",
    metadata,
    Column("opening_id", Text, primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("persons", Json, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_ms", Ms, nullable=False),
    Column("state", Text, nullable=False),  # asked | agreed | refused
    Column("answered_by", Text),
    Column("answered_ms", Ms),
    Index(None, "case_id", "asked_ms"),
)

footfall_hourly = Table(
    "footfall_hourly",
    metadata,
    Column("community", Text, nullable=False),
    Column("kind", Text, nullable=False),  # gate | zone
    Column("place", Text, nullable=False),
    Column("hour_ms", Ms, nullable=False),  # start of the UTC hour
    Column("entries", Integer, nullable=False),
    Column("exits", Integer, nullable=False),
    # Person-time: what is certain and what is possible at most.
    Column("inside_low_ms", Ms, nullable=False),
    Column("inside_high_ms", Ms, nullable=False),
    Column("dwells", Integer, nullable=False),
    Column("dwell_ms", Ms, nullable=False),
    PrimaryKeyConstraint("community", "kind", "place", "hour_ms"),
    Index(None, "community", "hour_ms"),
    sqlite_with_rowid=False,
)

footfall_due = Table(
    "footfall_due",
    metadata,
    Column("community", Text, primary_key=True),
    # Hours from here on have to be counted again; the fold only ever moves it back.
    Column("from_ms", Ms, nullable=False),
    # When they were last counted; 0 after the fold touched them.
    Column("counted_ms", Ms, nullable=False),
)
