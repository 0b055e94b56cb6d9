"""Marks are found in the order in which they came, and the journal's among a flood of others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OF_JOURNAL = sa.text("subject LIKE 'journal:%'")


def upgrade() -> None:
    op.create_index(op.f("ix_dirty_community_id"), "dirty", ["community", "id"])
    op.create_index(
        "ix_dirty_journal", "dirty", ["community", "id"], sqlite_where=OF_JOURNAL, postgresql_where=OF_JOURNAL
    )


def downgrade() -> None:
    op.drop_index("ix_dirty_journal", "dirty")
    op.drop_index(op.f("ix_dirty_community_id"), "dirty")
