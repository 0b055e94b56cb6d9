"""The first tables."""

from alembic import op

from community_flow.adapters.sql.tables import all_metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    all_metadata().create_all(op.get_bind())


def downgrade() -> None:
    all_metadata().drop_all(op.get_bind())
