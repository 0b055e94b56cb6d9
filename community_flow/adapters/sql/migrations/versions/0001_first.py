"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("authority", sa.Text(), nullable=True),
        sa.Column("areas", sa.Text(), nullable=False),
        sa.Column("communities", sa.Text(), nullable=False),
        sa.Column("grids", sa.Text(), nullable=True),
        sa.Column("gates", sa.Text(), nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_accounts")),
        sa.UniqueConstraint("login", name=op.f("uq_accounts_login")),
    )
    op.create_table(
        "anomalies",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("gate", sa.Text(), nullable=True),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("found_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anomalies")),
    )
    op.create_index(
        op.f("ix_anomalies_community_kind_subject"), "anomalies", ["community", "kind", "subject"], unique=False
    )
    op.create_index(
        op.f("ix_anomalies_community_state_to_ms"), "anomalies", ["community", "state", "to_ms"], unique=False
    )
    op.create_table(
        "attempts",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("assurance", sa.SmallInteger(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("community", "key", name=op.f("pk_attempts")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_attempts_subject_key"), "attempts", ["subject", "key"], unique=False)
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_community_number"), "audit", ["community", "number"], unique=False)
    op.create_index(op.f("ix_audit_person_number"), "audit", ["person", "number"], unique=False)
    op.create_table(
        "case_decisions",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("case_id", "person", name=op.f("pk_case_decisions")),
    )
    op.create_table(
        "cases",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("index_person", sa.Text(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("least_min", sa.Integer(), nullable=False),
        sa.Column("queue_s", sa.Integer(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("source_case", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_cases")),
    )
    op.create_index("uq_cases_community_number", "cases", ["community", "number"], unique=True)
    op.create_table(
        "censuses",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("community", "key", name=op.f("pk_censuses")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_censuses_community_zone_at_ms"), "censuses", ["community", "zone", "at_ms"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", "boot", "seq", name=op.f("pk_checkpoints")),
    )
    op.create_index(op.f("ix_checkpoints_community_key"), "checkpoints", ["community", "key"], unique=False)
    op.create_index(op.f("ix_checkpoints_community_subject"), "checkpoints", ["community", "subject"], unique=False)
    op.create_table(
        "communities",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("uid", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", name=op.f("pk_communities")),
        sa.UniqueConstraint("uid", name=op.f("uq_communities_uid")),
    )
    op.create_table(
        "conflicts",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("community", "id", name=op.f("pk_conflicts")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_conflicts_community_at_ms_id"), "conflicts", ["community", "at_ms", "id"], unique=False)
    op.create_index(op.f("ix_conflicts_subject_key"), "conflicts", ["subject", "key"], unique=False)
    op.create_table(
        "device_boots",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", "boot", name=op.f("pk_device_boots")),
    )
    op.create_table(
        "device_claim_codes",
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_device_claim_codes")),
    )
    op.create_index(op.f("ix_device_claim_codes_device"), "device_claim_codes", ["device"], unique=False)
    op.create_table(
        "device_status",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_report_ms", sa.BigInteger(), nullable=True),
        sa.Column("skew_ms", sa.BigInteger(), nullable=True),
        sa.Column("queue", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("config", sa.BigInteger(), nullable=True),
        sa.Column("faults", sa.Text(), nullable=True),
        sa.Column("counters", sa.Text(), nullable=True),
        sa.Column("status_ms", sa.BigInteger(), nullable=True),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.BigInteger(), nullable=False),
        sa.Column("conflicts", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("forged", sa.BigInteger(), nullable=False),
        sa.Column("unknown_fields", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("mismatch_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_device_status")),
    )
    op.create_index(op.f("ix_device_status_community"), "device_status", ["community"], unique=False)
    op.create_table(
        "device_tokens",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_device_tokens")),
    )
    op.create_index(op.f("ix_device_tokens_device"), "device_tokens", ["device"], unique=False)
    op.create_table(
        "dirty",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("lo", sa.LargeBinary(), nullable=False),
        sa.Column("hi", sa.LargeBinary(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dirty")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_dirty_community_subject"), "dirty", ["community", "subject"], unique=False)
    op.create_table(
        "flow_hours",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        sa.Column("passages", sa.Integer(), nullable=False),
        sa.Column("bodies", sa.Integer(), nullable=False),
        sa.Column("unnamed", sa.Integer(), nullable=False),
        sa.Column("unseen", sa.Integer(), nullable=False),
        sa.Column("surplus", sa.Integer(), nullable=False),
        sa.Column("turned_back", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("community", "gate", "direction", "hour_ms", name=op.f("pk_flow_hours")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "folds",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("folded_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("newest_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", name=op.f("pk_folds")),
    )
    op.create_table(
        "footfall_due",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("counted_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", name=op.f("pk_footfall_due")),
    )
    op.create_table(
        "footfall_hourly",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("exits", sa.Integer(), nullable=False),
        sa.Column("inside_low_ms", sa.BigInteger(), nullable=False),
        sa.Column("inside_high_ms", sa.BigInteger(), nullable=False),
        sa.Column("dwells", sa.Integer(), nullable=False),
        sa.Column("dwell_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("community", "kind", "place", "hour_ms", name=op.f("pk_footfall_hourly")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_footfall_hourly_community_hour_ms"), "footfall_hourly", ["community", "hour_ms"], unique=False
    )
    op.create_table(
        "guard_pins",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("pin_hash", sa.Text(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_guard_pins")),
        sa.UniqueConstraint("operator", name=op.f("uq_guard_pins_operator")),
    )
    op.create_table(
        "guard_shifts",
        sa.Column("session_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("begun_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_hash", name=op.f("pk_guard_shifts")),
    )
    op.create_index(op.f("ix_guard_shifts_device"), "guard_shifts", ["device"], unique=False)
    op.create_table(
        "imports",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("mapping", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("faults", sa.Text(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index(op.f("ix_imports_created_ms"), "imports", ["created_ms"], unique=False)
    op.create_table(
        "journal",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("valid_from_ms", sa.BigInteger(), nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_journal")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_journal_community_kind_entity_valid_from_ms"),
        "journal",
        ["community", "kind", "entity", "valid_from_ms"],
        unique=False,
    )
    op.create_table(
        "ledger",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("community", "gate", "direction", "key", "kind", name=op.f("pk_ledger")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_ledger_community_at_ms"), "ledger", ["community", "at_ms"], unique=False)
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notices")),
    )
    op.create_index(op.f("ix_notices_community_at_ms"), "notices", ["community", "at_ms"], unique=False)
    op.create_table(
        "openings",
        sa.Column("opening_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("persons", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("answered_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("opening_id", name=op.f("pk_openings")),
    )
    op.create_index(op.f("ix_openings_case_id_asked_ms"), "openings", ["case_id", "asked_ms"], unique=False)
    op.create_table(
        "orders",
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
    )
    op.create_index("uq_orders_authority_number", "orders", ["authority", "number"], unique=True)
    op.create_table(
        "passages",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("assurance", sa.SmallInteger(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("party", sa.Integer(), nullable=False),
        sa.Column("unnamed", sa.Integer(), nullable=False),
        sa.Column("unseen", sa.Boolean(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("community", "key", name=op.f("pk_passages")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_passages_community_gate_at_ms"), "passages", ["community", "gate", "at_ms"], unique=False)
    op.create_index(op.f("ix_passages_subject_key"), "passages", ["subject", "key"], unique=False)
    op.create_table(
        "passes",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("pass_id", sa.Text(), nullable=False),
        sa.Column("ref", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_handle", sa.LargeBinary(), nullable=True),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("short_code", sa.Text(), nullable=True),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pass_id", name=op.f("pk_passes")),
        sa.UniqueConstraint("ref", name=op.f("uq_passes_ref")),
    )
    op.create_index(op.f("ix_passes_community_changed_ms"), "passes", ["community", "changed_ms"], unique=False)
    op.create_index(op.f("ix_passes_community_short_code"), "passes", ["community", "short_code"], unique=True)
    op.create_table(
        "people",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("initials", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("erased_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_people")),
    )
    op.create_index(op.f("ix_people_community_initials"), "people", ["community", "initials"], unique=False)
    op.create_index(op.f("ix_people_community_phone"), "people", ["community", "phone"], unique=False)
    op.create_table(
        "registry_current",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("community", "kind", "entity", name=op.f("pk_registry_current")),
    )
    op.create_index(
        op.f("ix_registry_current_community_kind_owner"),
        "registry_current",
        ["community", "kind", "owner"],
        unique=False,
    )
    op.create_index(op.f("ix_registry_current_kind_entity"), "registry_current", ["kind", "entity"], unique=False)
    op.create_table(
        "replacements",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("by_boot", sa.BigInteger(), nullable=False),
        sa.Column("by_seq", sa.BigInteger(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("from_seq", sa.BigInteger(), nullable=False),
        sa.Column("to_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", "by_boot", "by_seq", name=op.f("pk_replacements")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_replacements_community_gate_direction"),
        "replacements",
        ["community", "gate", "direction"],
        unique=False,
    )
    op.create_table(
        "reports",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("t_ms", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=True),
        sa.Column("pass_ref", sa.LargeBinary(length=16), nullable=True),
        sa.Column("tag_ref", sa.LargeBinary(length=16), nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("token_s", sa.BigInteger(), nullable=True),
        sa.Column("assurance", sa.SmallInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=True),
        sa.Column("party", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=True),
        sa.Column("from_ms", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("device", "boot", "seq", name=op.f("pk_reports")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_reports_aggregate",
        "reports",
        ["community", "gate", "t_ms"],
        unique=False,
        sqlite_where=sa.text("from_ms IS NOT NULL"),
        postgresql_where=sa.text("from_ms IS NOT NULL"),
    )
    op.create_index(op.f("ix_reports_community_t_ms"), "reports", ["community", "t_ms"], unique=False)
    op.create_index(
        "ix_reports_count",
        "reports",
        ["community", "gate", "direction", "t_ms"],
        unique=False,
        sqlite_where=sa.text("n IS NOT NULL"),
        postgresql_where=sa.text("n IS NOT NULL"),
    )
    op.create_index(
        "ix_reports_pass_ref",
        "reports",
        ["pass_ref", "t_ms"],
        unique=False,
        sqlite_where=sa.text("pass_ref IS NOT NULL"),
        postgresql_where=sa.text("pass_ref IS NOT NULL"),
    )
    op.create_index(
        "ix_reports_person",
        "reports",
        ["person", "t_ms"],
        unique=False,
        sqlite_where=sa.text("person IS NOT NULL"),
        postgresql_where=sa.text("person IS NOT NULL"),
    )
    op.create_index(
        "ix_reports_tag_ref",
        "reports",
        ["tag_ref", "t_ms"],
        unique=False,
        sqlite_where=sa.text("tag_ref IS NOT NULL"),
        postgresql_where=sa.text("tag_ref IS NOT NULL"),
    )
    op.create_table(
        "reviews",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("ranked_to_ms", sa.BigInteger(), nullable=False),
        sa.Column("history_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("community", name=op.f("pk_reviews")),
    )
    op.create_table(
        "scan_references",
        sa.Column("ref_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("ref_hash", name=op.f("pk_scan_references")),
    )
    op.create_index(op.f("ix_scan_references_issued_ms"), "scan_references", ["issued_ms"], unique=False)
    op.create_table(
        "signin_attempts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_signin_attempts")),
    )
    op.create_table(
        "tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_tokens")),
    )
    op.create_index(op.f("ix_tokens_account"), "tokens", ["account"], unique=False)
    op.create_table(
        "tray",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tray")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tray_community_state_id"), "tray", ["community", "state", "id"], unique=False)
    op.create_index("uq_tray_once", "tray", ["device", "boot", "seq", "digest"], unique=True)
    op.create_table(
        "verdicts",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("anomaly", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_verdicts")),
    )
    op.create_index(op.f("ix_verdicts_anomaly"), "verdicts", ["anomaly"], unique=False)
    op.create_index(
        op.f("ix_verdicts_community_kind_subject"), "verdicts", ["community", "kind", "subject"], unique=False
    )
    op.create_table(
        "visits",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("entered_ms", sa.BigInteger(), nullable=False),
        sa.Column("left_ms", sa.BigInteger(), nullable=True),
        sa.Column("left_earliest_ms", sa.BigInteger(), nullable=False),
        sa.Column("left_latest_ms", sa.BigInteger(), nullable=True),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("certainty", sa.Text(), nullable=False),
        sa.Column("duration_class", sa.SmallInteger(), nullable=False),
        sa.Column("passage", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("community", "key", "zone", name=op.f("pk_visits")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_visits_community_until_ms_zone"), "visits", ["community", "until_ms", "zone"], unique=False
    )
    op.create_index(
        op.f("ix_visits_community_zone_duration_class_entered_ms"),
        "visits",
        ["community", "zone", "duration_class", "entered_ms"],
        unique=False,
    )
    op.create_index(op.f("ix_visits_subject_entered_ms"), "visits", ["subject", "entered_ms"], unique=False)
    op.create_index(
        "ix_visits_unseen",
        "visits",
        ["community", "zone", "until_ms"],
        unique=False,
        sqlite_where=sa.text("left_ms IS NULL"),
        postgresql_where=sa.text("left_ms IS NULL"),
    )
    op.create_table(
        "voids",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", "boot", "seq", name=op.f("pk_voids")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("voids")
    op.drop_index(
        "ix_visits_unseen",
        table_name="visits",
        sqlite_where=sa.text("left_ms IS NULL"),
        postgresql_where=sa.text("left_ms IS NULL"),
    )
    op.drop_index(op.f("ix_visits_subject_entered_ms"), table_name="visits")
    op.drop_index(op.f("ix_visits_community_zone_duration_class_entered_ms"), table_name="visits")
    op.drop_index(op.f("ix_visits_community_until_ms_zone"), table_name="visits")
    op.drop_table("visits")
    op.drop_index(op.f("ix_verdicts_community_kind_subject"), table_name="verdicts")
    op.drop_index(op.f("ix_verdicts_anomaly"), table_name="verdicts")
    op.drop_table("verdicts")
    op.drop_index("uq_tray_once", table_name="tray")
    op.drop_index(op.f("ix_tray_community_state_id"), table_name="tray")
    op.drop_table("tray")
    op.drop_index(op.f("ix_tokens_account"), table_name="tokens")
    op.drop_table("tokens")
    op.drop_table("signin_attempts")
    op.drop_index(op.f("ix_scan_references_issued_ms"), table_name="scan_references")
    op.drop_table("scan_references")
    op.drop_table("reviews")
    op.drop_index(
        "ix_reports_tag_ref",
        table_name="reports",
        sqlite_where=sa.text("tag_ref IS NOT NULL"),
        postgresql_where=sa.text("tag_ref IS NOT NULL"),
    )
    op.drop_index(
        "ix_reports_person",
        table_name="reports",
        sqlite_where=sa.text("person IS NOT NULL"),
        postgresql_where=sa.text("person IS NOT NULL"),
    )
    op.drop_index(
        "ix_reports_pass_ref",
        table_name="reports",
        sqlite_where=sa.text("pass_ref IS NOT NULL"),
        postgresql_where=sa.text("pass_ref IS NOT NULL"),
    )
    op.drop_index(
        "ix_reports_count",
        table_name="reports",
        sqlite_where=sa.text("n IS NOT NULL"),
        postgresql_where=sa.text("n IS NOT NULL"),
    )
    op.drop_index(op.f("ix_reports_community_t_ms"), table_name="reports")
    op.drop_index(
        "ix_reports_aggregate",
        table_name="reports",
        sqlite_where=sa.text("from_ms IS NOT NULL"),
        postgresql_where=sa.text("from_ms IS NOT NULL"),
    )
    op.drop_table("reports")
    op.drop_index(op.f("ix_replacements_community_gate_direction"), table_name="replacements")
    op.drop_table("replacements")
    op.drop_index(op.f("ix_registry_current_kind_entity"), table_name="registry_current")
    op.drop_index(op.f("ix_registry_current_community_kind_owner"), table_name="registry_current")
    op.drop_table("registry_current")
    op.drop_index(op.f("ix_people_community_phone"), table_name="people")
    op.drop_index(op.f("ix_people_community_initials"), table_name="people")
    op.drop_table("people")
    op.drop_index(op.f("ix_passes_community_short_code"), table_name="passes")
    op.drop_index(op.f("ix_passes_community_changed_ms"), table_name="passes")
    op.drop_table("passes")
    op.drop_index(op.f("ix_passages_subject_key"), table_name="passages")
    op.drop_index(op.f("ix_passages_community_gate_at_ms"), table_name="passages")
    op.drop_table("passages")
    op.drop_index("uq_orders_authority_number", table_name="orders")
    op.drop_table("orders")
    op.drop_index(op.f("ix_openings_case_id_asked_ms"), table_name="openings")
    op.drop_table("openings")
    op.drop_index(op.f("ix_notices_community_at_ms"), table_name="notices")
    op.drop_table("notices")
    op.drop_index(op.f("ix_ledger_community_at_ms"), table_name="ledger")
    op.drop_table("ledger")
    op.drop_index(op.f("ix_journal_community_kind_entity_valid_from_ms"), table_name="journal")
    op.drop_table("journal")
    op.drop_index(op.f("ix_imports_created_ms"), table_name="imports")
    op.drop_table("imports")
    op.drop_index(op.f("ix_guard_shifts_device"), table_name="guard_shifts")
    op.drop_table("guard_shifts")
    op.drop_table("guard_pins")
    op.drop_index(op.f("ix_footfall_hourly_community_hour_ms"), table_name="footfall_hourly")
    op.drop_table("footfall_hourly")
    op.drop_table("footfall_due")
    op.drop_table("folds")
    op.drop_table("flow_hours")
    op.drop_index(op.f("ix_dirty_community_subject"), table_name="dirty")
    op.drop_table("dirty")
    op.drop_index(op.f("ix_device_tokens_device"), table_name="device_tokens")
    op.drop_table("device_tokens")
    op.drop_index(op.f("ix_device_status_community"), table_name="device_status")
    op.drop_table("device_status")
    op.drop_index(op.f("ix_device_claim_codes_device"), table_name="device_claim_codes")
    op.drop_table("device_claim_codes")
    op.drop_table("device_boots")
    op.drop_index(op.f("ix_conflicts_subject_key"), table_name="conflicts")
    op.drop_index(op.f("ix_conflicts_community_at_ms_id"), table_name="conflicts")
    op.drop_table("conflicts")
    op.drop_table("communities")
    op.drop_index(op.f("ix_checkpoints_community_subject"), table_name="checkpoints")
    op.drop_index(op.f("ix_checkpoints_community_key"), table_name="checkpoints")
    op.drop_table("checkpoints")
    op.drop_index(op.f("ix_censuses_community_zone_at_ms"), table_name="censuses")
    op.drop_table("censuses")
    op.drop_index("uq_cases_community_number", table_name="cases")
    op.drop_table("cases")
    op.drop_table("case_decisions")
    op.drop_index(op.f("ix_audit_person_number"), table_name="audit")
    op.drop_index(op.f("ix_audit_community_number"), table_name="audit")
    op.drop_table("audit")
    op.drop_index(op.f("ix_attempts_subject_key"), table_name="attempts")
    op.drop_table("attempts")
    op.drop_index(op.f("ix_anomalies_community_state_to_ms"), table_name="anomalies")
    op.drop_index(op.f("ix_anomalies_community_kind_subject"), table_name="anomalies")
    op.drop_table("anomalies")
    op.drop_table("accounts")
