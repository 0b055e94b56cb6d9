"""What waits for a partner at a gate, step by step; ledgers of before are settled anew by the fold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger_states",
        sa.Column("community", sa.Text(), nullable=False),
        sa.Column("gate", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("step_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("community", "gate", "direction", "step_ms", name=op.f("pk_ledger_states")),
        sqlite_with_rowid=False,
    )
    reports = sa.table("reports", *map(sa.column, ("community", "gate", "direction", "kind")))
    dirty = sa.table("dirty", *map(sa.column, ("community", "subject", "lo", "hi", "cause")))
    subject = "gate:" + reports.c.gate + ":" + reports.c.direction
    here = sa.and_(reports.c.kind == "count", reports.c.gate.is_not(None), reports.c.direction.is_not(None))
    everything = [sa.literal(end, sa.LargeBinary()) for end in (b"", b"\xff" * 38)]
    counted = sa.select(reports.c.community, subject, *everything, sa.literal("migration")).where(here).distinct()
    op.execute(dirty.insert().from_select(["community", "subject", "lo", "hi", "cause"], counted))


def downgrade() -> None:
    op.drop_table("ledger_states")
