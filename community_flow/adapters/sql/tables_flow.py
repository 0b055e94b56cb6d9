"""What the fold derives from the reports, and the queue that says what to derive again.

Every table here but `dirty` and `folds` is a pure function of `reports` and `journal`: `rebuild` may empty and refill
it. ``key`` is the report key of `domain/passages.py` (event time, device, boot, seq), so rows lie in event order.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, PrimaryKeyConstraint, SmallInteger, Table, Text, text

from community_flow.adapters.sql.metadata import Json, Ms, Raw, metadata
from community_flow.domain.marks import JOURNAL

OF_JOURNAL = f"subject LIKE '{JOURNAL}%'"

dirty = Table(
    "dirty",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    # As `domain/marks.py` names it: a person, a credential, "r:…" one report alone, "gate:…", "void:…", "journal:…".
    # Null for the marks of one commit together.
    Column("subject", Text),
    Column("lo", Raw, nullable=False),
    Column("hi", Raw, nullable=False),
    Column("cause", Text, nullable=False),
    # Of the marks of one commit: `mark_packs.py` reads them.
    Column("marks", Raw),
    Index(None, "community", "subject"),
    # In the order in which they came, past the flood of another community.
    Index(None, "community", "id"),
    # The journal's go first; in a flood they would be looked for among all others.
    Index("ix_dirty_journal", "community", "id", sqlite_where=text(OF_JOURNAL), postgresql_where=text(OF_JOURNAL)),
    sqlite_autoincrement=True,  # the worker deletes exactly the rows it read, so an id never comes back
)

passages = Table(
    "passages",
    metadata,
    Column("community", Text, nullable=False),
    Column("key", Raw, nullable=False),
    # "device:boot:seq" of the first report.
    Column("id", Text, nullable=False),
    # The person, or the credential nobody holds ("ps_…", "tg_…"), or "r:…" when the report names no one.
    Column("subject", Text, nullable=False),
    Column("person", Text),
    Column("gate", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("at_ms", Ms, nullable=False),
    Column("last_ms", Ms, nullable=False),
    Column("kind", Text, nullable=False),  # scan | visitor
    Column("method", Text),
    Column("assurance", SmallInteger, nullable=False),
    Column("decision", Text),
    Column("reason", Text),
    Column("forced", Boolean, nullable=False),
    Column("party", Integer, nullable=False),
    # Bodies of the party that no visit stands for: all of them without a subject, else the companions.
    Column("unnamed", Integer, nullable=False),
    # An exit of somebody who was known to be elsewhere: the entry was not seen.
    Column("unseen", Boolean, nullable=False),
    Column("evidence", Json, nullable=False),  # [[device, boot, seq], …], oldest first
    # The subject's state before the first report (`domain/visits.py: State`): where a later re-fold resumes or stops.
    Column("before", Text, nullable=False),
    PrimaryKeyConstraint("community", "key"),
    Index(None, "subject", "key"),
    Index(None, "community", "gate", "at_ms"),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("community", Text, nullable=False),
    Column("key", Raw, nullable=False),
    Column("id", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("person", Text),
    Column("gate", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("at_ms", Ms, nullable=False),
    Column("kind", Text, nullable=False),
    Column("method", Text),
    Column("assurance", SmallInteger, nullable=False),
    Column("decision", Text),
    Column("reason", Text),
    PrimaryKeyConstraint("community", "key"),
    Index(None, "subject", "key"),
    sqlite_with_rowid=False,
)

visits = Table(
    "visits",
    metadata,
    Column("community", Text, nullable=False),
    # Key of the passage that opened the visit; one passage opens at most one visit per zone.
    Column("key", Raw, nullable=False),
    Column("zone", Text, nullable=False),
    Column("id", Text, nullable=False),  # "<passage>/<zone>"
    Column("subject", Text, nullable=False),
    # Null for a credential that nobody held at the time: somebody was there, and counts, but has no name.
    Column("person", Text),
    Column("entered_ms", Ms, nullable=False),
    Column("left_ms", Ms),
    Column("left_earliest_ms", Ms, nullable=False),
    Column("left_latest_ms", Ms),
    # left_latest_ms, or NEVER (2**62) where there is no bound: sweeps and indexes need a number.
    Column("until_ms", Ms, nullable=False),
    Column("certainty", Text, nullable=False),  # seen | likely | possible
    # 0..7 by until_ms - entered_ms: < 15 min, 30 min, 1, 2, 4, 8, 24 h, more (domain/visits.py: duration_class).
    Column("duration_class", SmallInteger, nullable=False),
    Column("passage", Text, nullable=False),
    Column("closed_by", Text),  # the passage that ended it, seen or not
    PrimaryKeyConstraint("community", "key", "zone"),
    Index(None, "subject", "entered_ms"),
    Index(None, "community", "zone", "duration_class", "entered_ms"),
    Index(None, "community", "until_ms", "zone"),
    Index(
        "ix_visits_unseen",
        "community",
        "zone",
        "until_ms",
        sqlite_where=text("left_ms IS NULL"),
        postgresql_where=text("left_ms IS NULL"),
    ),
    sqlite_with_rowid=False,
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("community", Text, nullable=False),
    Column("id", Text, nullable=False),  # of (kind, sorted first triples)
    Column("kind", Text, nullable=False),  # passback | unseen_entry | impossible_travel | quota | relayed_code
    # The subject of the passages; "quota:<household>" and "relay:<credential>@<token_s>" are subjects of their own.
    Column("subject", Text, nullable=False),
    Column("person", Text),
    Column("key", Raw, nullable=False),  # of the last scan it names
    Column("at_ms", Ms, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("detail", Json, nullable=False),
    PrimaryKeyConstraint("community", "id"),
    Index(None, "subject", "key"),
    Index(None, "community", "at_ms", "id"),
    sqlite_with_rowid=False,
)

ledger = Table(
    "ledger",
    metadata,
    Column("community", Text, nullable=False),
    Column("gate", Text, nullable=False),
    Column("direction", Text, nullable=False),
    # Key of the count report, or of the passage, that found no partner.
    Column("key", Raw, nullable=False),
    # surplus: more bodies than passages (where the direction is scanned: a tailgating candidate);
    # turned_back: more passages than bodies.
    Column("kind", Text, nullable=False),
    Column("at_ms", Ms, nullable=False),
    # Start of an aggregate; null for single crossings. An aggregate names nobody.
    Column("from_ms", Ms),
    Column("n", Integer, nullable=False),
    # The count report, or the passage: "device:boot:seq".
    Column("source", Text, nullable=False),
    PrimaryKeyConstraint("community", "gate", "direction", "key", "kind"),
    Index(None, "community", "at_ms"),
    sqlite_with_rowid=False,
)

ledger_states = Table(
    "ledger_states",
    metadata,
    Column("community", Text, nullable=False),
    Column("gate", Text, nullable=False),
    Column("direction", Text, nullable=False),
    # A tenth second at which crossings still waited for a partner although both kinds were near (`domain/ledger.py`).
    Column("step_ms", Ms, nullable=False),
    Column("state", Text, nullable=False),
    PrimaryKeyConstraint("community", "gate", "direction", "step_ms"),
    sqlite_with_rowid=False,
)

flow_hours = Table(
    "flow_hours",
    metadata,
    Column("community", Text, nullable=False),
    Column("gate", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("hour_ms", Ms, nullable=False),  # start of the UTC hour
    Column("passages", Integer, nullable=False),
    Column("bodies", Integer, nullable=False),  # sum of party
    Column("unnamed", Integer, nullable=False),
    Column("unseen", Integer, nullable=False),
    Column("surplus", Integer, nullable=False),
    Column("turned_back", Integer, nullable=False),
    PrimaryKeyConstraint("community", "gate", "direction", "hour_ms"),
    sqlite_with_rowid=False,
)

censuses = Table(
    "censuses",
    metadata,
    Column("community", Text, nullable=False),
    Column("key", Raw, nullable=False),
    Column("zone", Text, nullable=False),
    Column("at_ms", Ms, nullable=False),
    Column("n", Integer, nullable=False),
    PrimaryKeyConstraint("community", "key"),
    Index(None, "community", "zone", "at_ms"),
    sqlite_with_rowid=False,
)

voids = Table(
    "voids",
    metadata,
    Column("community", Text, nullable=False),
    # What a correction names: always a report of the device that sent the correction, whether it ever comes or not.
    Column("device", Text, nullable=False),
    Column("boot", Ms, nullable=False),
    Column("seq", Ms, nullable=False),
    PrimaryKeyConstraint("device", "boot", "seq"),
    sqlite_with_rowid=False,
)

replacements = Table(
    "replacements",
    metadata,
    Column("community", Text, nullable=False),
    # The aggregate that replaces…
    Column("device", Text, nullable=False),
    Column("by_boot", Ms, nullable=False),
    Column("by_seq", Ms, nullable=False),
    # …counts of the same device, gate and direction in this range.
    Column("gate", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("boot", Ms, nullable=False),
    Column("from_seq", Ms, nullable=False),
    Column("to_seq", Ms, nullable=False),
    PrimaryKeyConstraint("device", "by_boot", "by_seq"),
    Index(None, "community", "gate", "direction"),
    sqlite_with_rowid=False,
)

folds = Table(
    "folds",
    metadata,
    Column("community", Text, primary_key=True),
    Column("runs", Ms, nullable=False),
    Column("folded_at_ms", Ms, nullable=False),  # wall time of the last fold, for "as of" and health
    Column("newest_ms", Ms, nullable=False),  # event time of the newest report folded
)
