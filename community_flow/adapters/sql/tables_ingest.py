"""What devices said, kept for good, and the devices themselves.

`reports` is append-only: labels (assurance, pass_ref, held) are frozen at commit and nothing derived is stored here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    and_,
    literal_column,
)  # fmt: skip

from community_flow.adapters.sql.metadata import Json, Ms, Raw, metadata

reports = Table(
    "reports",
    metadata,
    Column("device", Text, nullable=False),
    Column("boot", Ms, nullable=False),
    Column("seq", Ms, nullable=False),
    Column("community", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("t_ms", Ms, nullable=False),  # event time: at_ms - skew_ms
    Column("at_ms", Ms, nullable=False),
    Column("skew_ms", Ms, nullable=False),
    Column("received_ms", Ms, nullable=False),
    Column("gate", Text),
    Column("direction", Text),
    Column("pass_ref", LargeBinary(16)),
    Column("tag_ref", LargeBinary(16)),
    Column("person", Text),
    # Time inside a rotating code, seconds since 2026: what relayed codes are found by. The code itself is never kept.
    Column("token_s", Ms),
    Column("assurance", SmallInteger, nullable=False),
    Column("method", Text),
    Column("decision", Text),
    Column("reason", Text),
    Column("passed", Boolean, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("operator", Text),
    Column("party", Integer, nullable=False),
    Column("n", Integer),
    Column("from_ms", Ms),
    # The other known members, as JSON text: class, unit, zone, of, replaces, counters, note…
    Column("body", Text),
    # Of the canonical form, keyed: an IC card's number cannot be searched for in it.
    Column("digest", Raw, nullable=False),
    # From the future when it came: no part in anything until released.
    Column("held", Boolean, nullable=False),
    PrimaryKeyConstraint("device", "boot", "seq"),
    # By time each report lies in one of these two: what has a number (counts, censuses), and all others. Time comes
    # before the gate: what all gates report now lies together, on few pages, and is read together.
    Index(
        "ix_reports_count",
        "community",
        "t_ms",
        "gate",
        "direction",
        "n",  # nobody asks for it: with it SQLite can read the index alone
        sqlite_where=Column("n").is_not(None),
        postgresql_where=Column("n").is_not(None),
    ),
    Index(
        "ix_reports_other",
        "community",
        "t_ms",
        sqlite_where=Column("n").is_(None),
        postgresql_where=Column("n").is_(None),
    ),
    # Everything of a credential.
    Index(
        "ix_reports_pass_ref",
        "pass_ref",
        "t_ms",
        sqlite_where=Column("pass_ref").is_not(None),
        postgresql_where=Column("pass_ref").is_not(None),
    ),
    # Rare ways to name somebody, and aggregates: small indexes beside the large ones.
    Index(
        "ix_reports_tag_ref",
        "tag_ref",
        "t_ms",
        sqlite_where=Column("tag_ref").is_not(None),
        postgresql_where=Column("tag_ref").is_not(None),
    ),
    Index(
        "ix_reports_person",
        "person",
        "t_ms",
        sqlite_where=Column("person").is_not(None),
        postgresql_where=Column("person").is_not(None),
    ),
    Index(
        "ix_reports_aggregate",
        "community",
        "gate",
        "t_ms",
        sqlite_where=Column("from_ms").is_not(None),
        postgresql_where=Column("from_ms").is_not(None),
    ),
    sqlite_with_rowid=False,
)

LONG_WINDOW_MS = 2 * 3_600_000
"""Aggregates of longer windows are rare; those of an hour may be a little longer by their device's clock."""


def window_ms(r: Any) -> ColumnElement[int]:
    """How long an aggregate counted; the device wrote the start by its own clock, like `at`."""
    return r.t_ms - r.from_ms + r.skew_ms  # type: ignore[no-any-return]


def long_window(r: Any) -> ColumnElement[bool]:
    """Said by whoever looks for the longest, in the very words of the index."""
    counted = and_(r.from_ms.is_not(None), r.kind == literal_column("'count'"))
    return and_(counted, window_ms(r) > literal_column(str(LONG_WINDOW_MS)))


Index(
    "ix_reports_long", reports.c.community, reports.c.gate,
    sqlite_where=long_window(reports.c), postgresql_where=long_window(reports.c),
)  # fmt: skip

COUNTED = reports.c.n.is_not(None)
"""Said whenever reports are looked up by time: these are in `ix_reports_count`, the others in `ix_reports_other`."""

tray = Table(
    "tray",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("boot", Ms, nullable=False),
    Column("seq", Ms, nullable=False),
    Column("received_ms", Ms, nullable=False),
    Column("reason", Text, nullable=False),  # malformed | conflict | past_retention | unknown_kind | foreign_gate | …
    Column("detail", Text, nullable=False),
    # The report as it came, sealed for the ingest key when it may name somebody: {"kid", "epk", "nonce", "ct"}.
    Column("body", Json, nullable=False),
    # Of the text as it came: the same report comes to lie here once.
    Column("digest", Raw, nullable=False),
    Column("state", Text, nullable=False),  # open | mended | dismissed
    Column("settled_ms", Ms),
    Column("settled_by", Text),
    Index("uq_tray_once", "device", "boot", "seq", "digest", unique=True),
    Index(None, "community", "state", "id"),
    # How many wait by reason, a page of one reason, and what is to be let go when its reason is over.
    Index("ix_tray_state_reason", "state", "reason", "community", "id"),
    sqlite_autoincrement=True,
)

through = Table(
    "device_boots",
    metadata,
    Column("device", Text, nullable=False),
    Column("boot", Ms, nullable=False),
    # Everything from 0 up to here is kept. A report above it waits in `beyond` until the gap closes.
    Column("through", Ms, nullable=False),
    Column("highest", Ms, nullable=False),
    PrimaryKeyConstraint("device", "boot"),
)

device_tokens = Table(
    "device_tokens",
    metadata,
    # SHA-256 of the token: 32 random bytes need no salt and no slow hash.
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("device", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("revoked_ms", Ms),
    # A rotated token works a little longer, so that a device that asked twice is not locked out.
    Column("until_ms", Ms),
    # What the token is made of, with a key that is not in the store; null for tokens of the first version.
    Column("seed", LargeBinary(17)),
    Index(None, "device"),
)

claim_codes = Table(
    "device_claim_codes",
    metadata,
    Column("code_hash", LargeBinary(32), primary_key=True),
    Column("device", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("expires_ms", Ms, nullable=False),
    Column("used_ms", Ms),
    Index(None, "device"),
)

device_status = Table(
    "device_status",
    metadata,
    Column("device", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("last_ms", Ms, nullable=False),  # last request that carried a good token
    Column("last_report_ms", Ms),  # event time of its newest report
    Column("skew_ms", Ms),
    Column("queue", Ms),
    Column("version", Text),
    Column("config", Ms),
    Column("faults", Json),
    Column("counters", Json),
    Column("status_ms", Ms),
    # Tallies since enrolment.
    Column("accepted", Ms, nullable=False),
    Column("duplicates", Ms, nullable=False),
    Column("conflicts", Ms, nullable=False),
    Column("rejected", Ms, nullable=False),
    Column("forged", Ms, nullable=False),
    Column("unknown_fields", Ms, nullable=False),
    Column("held", Ms, nullable=False),
    Column("mismatch_ms", Ms),  # when the same number last came with other content; cleared by a person
    # online or offline at the MQTT broker, and since when; null for a device that speaks HTTP.
    Column("link", Text),
    Column("link_ms", Ms),
    # How long it may be silent before somebody is told; null for what its kind is allowed.
    Column("silence_ms", Ms),
    # Who asked for a new token; null again when the device has fetched it.
    Column("rotate", Text),
    Index(None, "community"),
)

references = Table(
    "scan_references",
    metadata,
    # SHA-256 of the reference "s_…" that an online search gave a guard.
    Column("ref_hash", LargeBinary(32), primary_key=True),
    Column("community", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("gate", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("issued_ms", Ms, nullable=False),
    # The report that used it. A second report with the same reference finds it used.
    Column("used_by", Text),
    Index(None, "issued_ms"),
)
