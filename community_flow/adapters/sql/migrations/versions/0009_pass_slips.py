"""Slips with a code by which somebody's phone becomes their pass, once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pass_slips",
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_pass_slips")),
    )
    op.create_index(op.f("ix_pass_slips_community_person"), "pass_slips", ["community", "person"])


def downgrade() -> None:
    op.drop_table("pass_slips")
