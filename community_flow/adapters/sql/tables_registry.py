"""Registry: the journal, and the current state of things for pages and look-ups.

The journal is append-only and is what the fold reads. The other tables are projections of it "as of now", except
`people`, which alone holds names and telephone numbers: those are corrected in place and erased when somebody leaves.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from community_flow.adapters.sql.metadata import Json, Ms, Raw, metadata

journal = Table(
    "journal",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("community", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("valid_from_ms", Ms, nullable=False),
    Column("recorded_ms", Ms, nullable=False),
    Column("account", Text, nullable=False),
    Column("data", Json),
    Index(None, "community", "kind", "entity", "valid_from_ms"),
    sqlite_autoincrement=True,  # a number is never given twice, even after retention deleted the newest row
)

current = Table(
    "registry_current",
    metadata,
    Column("community", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("since_ms", Ms, nullable=False),
    Column("data", Json, nullable=False),
    # The next row that is already known to take effect: `refresh` looks for those that came due.
    Column("due_ms", Ms),
    # What it is looked up by: a pass's person, a person's household, a household's unit; null for the rest.
    Column("owner", Text),
    PrimaryKeyConstraint("community", "kind", "entity"),
    Index(None, "kind", "entity"),
    Index(None, "community", "kind", "owner"),
)

communities = Table(
    "communities",
    metadata,
    Column("community", Text, primary_key=True),
    # 16 random bytes: what passes and sealed records are bound to. Never changes, unlike names.
    Column("uid", Raw, nullable=False, unique=True),
    Column("created_ms", Ms, nullable=False),
)

people = Table(
    "people",
    metadata,
    Column("community", Text, nullable=False),
    Column("person", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # Initials of the name in pinyin, for the number pad's search: 林晓梅 -> lxm.
    Column("initials", Text, nullable=False),
    Column("phone", Text),
    Column("note", Text),
    Column("created_ms", Ms, nullable=False),
    Column("erased_ms", Ms),
    Index(None, "community", "initials"),
    Index(None, "community", "phone"),
)

passes = Table(
    "passes",
    metadata,
    Column("community", Text, nullable=False),
    # ps_<hex of pass_ref> or tg_<hex of tag_ref>: the keyed hash, never the handle.
    Column("pass_id", Text, primary_key=True),
    Column("ref", Raw, nullable=False, unique=True),
    # The 8-byte handle encrypted under the table key; null for IC cards, whose number is never kept.
    Column("sealed_handle", Raw),
    Column("public_key", Raw),
    Column("short_code", Text),
    Column("issued_ms", Ms, nullable=False),
    Column("changed_ms", Ms, nullable=False),
    Index(None, "community", "changed_ms"),
    Index(None, "community", "short_code", unique=True),
    Index(None, "community", "public_key"),
)

pass_slips = Table(
    "pass_slips",
    metadata,
    # Of the code on the slip; the code itself is on paper only.
    Column("code_hash", LargeBinary(32), primary_key=True),
    Column("community", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("created_ms", Ms, nullable=False),
    Column("expires_ms", Ms, nullable=False),
    Column("used_ms", Ms),
    Index(None, "community", "person"),
)

pass_keepers = Table(
    "pass_keepers",
    metadata,
    Column("keeping", Text, primary_key=True),
    Column("community", Text, nullable=False),
    # Whose pass it is, and on whose phone.
    Column("person", Text, nullable=False),
    Column("keeper", Text, nullable=False),
    Column("relation", Text, nullable=False),  # household | carer
    Column("sees", Boolean, nullable=False),
    Column("from_ms", Ms, nullable=False),
    Column("until_ms", Ms, nullable=False),
    Column("ended_ms", Ms),
    Column("bound_by", Text, nullable=False),
    Index(None, "community", "person"),
    Index(None, "community", "keeper"),
)

data_requests = Table(
    "data_requests",
    metadata,
    Column("request", Text, primary_key=True),
    Column("community", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("kind", Text, nullable=False),  # correction | deletion | objection | copy
    Column("text", Text, nullable=False),
    Column("sent_ms", Ms, nullable=False),
    Column("state", Text, nullable=False),  # open | done | refused
    Column("answer", Text),
    Column("settled_ms", Ms),
    Column("settled_by", Text),
    Index(None, "community", "state", "sent_ms"),
    Index(None, "community", "person"),
)
