"""Aggregates of long windows have an index of their own: how late one may end that reaches a moment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

LONG = sa.text("from_ms IS NOT NULL AND kind = 'count' AND t_ms - from_ms + skew_ms > 7200000")


def upgrade() -> None:
    op.create_index("ix_reports_long", "reports", ["community", "gate"], sqlite_where=LONG, postgresql_where=LONG)


def downgrade() -> None:
    op.drop_index("ix_reports_long", "reports")
