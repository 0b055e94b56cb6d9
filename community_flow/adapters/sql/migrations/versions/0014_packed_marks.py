"""The marks of one commit lie together in one row of the fold's queue."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

dirty = sa.table(
    "dirty", sa.column("id"), sa.column("community"), sa.column("subject"), sa.column("lo", sa.LargeBinary),
    sa.column("hi", sa.LargeBinary), sa.column("cause"), sa.column("marks", sa.LargeBinary),
)  # fmt: skip


def upgrade() -> None:
    op.add_column("dirty", sa.Column("marks", sa.LargeBinary))


def downgrade() -> None:
    """With a row for each mark again: what waits must not be lost."""
    packed = op.get_bind().execute(sa.select(dirty.c.community, dirty.c.marks).where(dirty.c.marks.is_not(None))).all()
    for community, marks in packed:
        for subject, lo, hi, cause in msgspec.msgpack.decode(marks):
            row = {"community": community, "subject": subject, "lo": lo, "hi": hi, "cause": cause}
            op.execute(dirty.insert().values(row))
    op.execute(dirty.delete().where(dirty.c.marks.is_not(None)))
    op.drop_column("dirty", "marks")
