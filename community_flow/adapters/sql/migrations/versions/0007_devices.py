"""Boxes that ask to be claimed, versions of configurations, and how long each device may be silent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device_requests",
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("community", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_device_requests")),
    )
    op.create_index("uq_device_requests_secret", "device_requests", ["secret_hash"], unique=True)
    op.create_index(op.f("ix_device_requests_expires_ms"), "device_requests", ["expires_ms"])
    op.create_table(
        "device_configs",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("back_to", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("outcome_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("device", "version", name=op.f("pk_device_configs")),
    )
    op.create_index(op.f("ix_device_configs_community"), "device_configs", ["community"])
    op.add_column("device_status", sa.Column("silence_ms", sa.BigInteger()))
    op.add_column("device_status", sa.Column("rotate", sa.Text()))


def downgrade() -> None:
    op.drop_column("device_status", "rotate")
    op.drop_column("device_status", "silence_ms")
    op.drop_table("device_configs")
    op.drop_table("device_requests")
