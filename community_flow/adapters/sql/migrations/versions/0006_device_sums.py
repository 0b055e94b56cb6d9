"""How far the counters of devices were compared with what arrived of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device_sums",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("highest", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.Text(), nullable=True),
        sa.Column("last", sa.Text(), nullable=True),
        sa.Column("carried", sa.Text(), nullable=False),
        sa.Column("differs", sa.Text(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("device", "boot", name=op.f("pk_device_sums")),
    )
    op.create_index(op.f("ix_device_sums_community"), "device_sums", ["community"])


def downgrade() -> None:
    op.drop_table("device_sums")
