"""Entry point of the migration tool: runs the steps on the connection of migrate.py."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
