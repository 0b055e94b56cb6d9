"""Who keeps whose pass on their phone; what residents ask about their data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pass_keepers",
        sa.Column("keeping", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("keeper", sa.Text(), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("sees", sa.Boolean(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("bound_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("keeping", name=op.f("pk_pass_keepers")),
    )
    op.create_index(op.f("ix_pass_keepers_community_person"), "pass_keepers", ["community", "person"])
    op.create_index(op.f("ix_pass_keepers_community_keeper"), "pass_keepers", ["community", "keeper"])
    op.create_index(op.f("ix_passes_community_public_key"), "passes", ["community", "public_key"])
    op.create_table(
        "data_requests",
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sent_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("request", name=op.f("pk_data_requests")),
    )
    op.create_index(
        op.f("ix_data_requests_community_state_sent_ms"), "data_requests", ["community", "state", "sent_ms"]
    )
    op.create_index(op.f("ix_data_requests_community_person"), "data_requests", ["community", "person"])


def downgrade() -> None:
    op.drop_table("data_requests")
    op.drop_index(op.f("ix_passes_community_public_key"), "passes")
    op.drop_table("pass_keepers")
