"""Each report lies in one index of times: counts with their gates, all others apart.

The index of counts by gate had a place of its own for every gate, so a group of reports of sixteen gates wrote sixteen
pages of it; in the order of time what comes now lies together.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COUNTED, NAMING = sa.text("n IS NOT NULL"), sa.text("n IS NULL")


def upgrade() -> None:
    op.drop_index("ix_reports_count", "reports")
    op.drop_index(op.f("ix_reports_community_t_ms"), "reports")
    op.create_index(
        "ix_reports_count", "reports", ["community", "t_ms", "gate", "direction", "n"],
        sqlite_where=COUNTED, postgresql_where=COUNTED,
    )  # fmt: skip
    op.create_index("ix_reports_other", "reports", ["community", "t_ms"], sqlite_where=NAMING, postgresql_where=NAMING)


def downgrade() -> None:
    op.drop_index("ix_reports_other", "reports")
    op.drop_index("ix_reports_count", "reports")
    op.create_index(
        "ix_reports_count", "reports", ["community", "gate", "direction", "t_ms"],
        sqlite_where=COUNTED, postgresql_where=COUNTED,
    )  # fmt: skip
    op.create_index(op.f("ix_reports_community_t_ms"), "reports", ["community", "t_ms"])
