"""Alembic's entry: runs on the connection that `migrate.upgrade` opened."""

from alembic import context

from community_flow.adapters.sql.tables import all_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=all_metadata(),
    render_as_batch=True,  # SQLite cannot alter a column in place
    transaction_per_migration=False,
)
context.run_migrations()
