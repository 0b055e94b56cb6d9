"""Anomalies as last derived, and what people said of them. Verdicts are never deleted by a re-derivation."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, Table, Text

from community_flow.adapters.sql.metadata import Json, Ms, metadata

anomalies = Table(
    "anomalies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("person", Text),
    Column("gate", Text),
    Column("from_ms", Ms, nullable=False),
    Column("to_ms", Ms, nullable=False),
    Column("severity", Text, nullable=False),
    Column("score", Float, nullable=False),
    Column("reasons", Json, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("found_ms", Ms, nullable=False),
    # open | decided | withdrawn (a late report took the reason away after somebody had worked on it)
    Column("state", Text, nullable=False),
    Index(None, "community", "state", "to_ms"),
    Index(None, "community", "kind", "subject"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("anomaly", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("verdict", Text, nullable=False),  # confirmed | false_alarm | known
    Column("note", Text),
    Column("account", Text, nullable=False),
    Column("at_ms", Ms, nullable=False),
    # The triples the human looked at: a card whose key changed is recognised by them.
    Column("evidence", Json, nullable=False),
    Index(None, "community", "kind", "subject"),
    Index(None, "anomaly"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("community", Text, primary_key=True),
    # Event time up to which behaviour was ranked, and days of history it had.
    Column("ranked_to_ms", Ms, nullable=False),
    Column("history_days", Integer, nullable=False),
)
