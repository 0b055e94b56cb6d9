"""Tokens that can be made again from their seed, and whether a device is connected to the broker."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("device_tokens", sa.Column("seed", sa.LargeBinary(17)))
    op.add_column("device_status", sa.Column("link", sa.Text()))
    op.add_column("device_status", sa.Column("link_ms", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("device_status", "link_ms")
    op.drop_column("device_status", "link")
    op.drop_column("device_tokens", "seed")
