"""Reminders, changes of deadlines, outages."""

from worker.storage.migrations.scripts import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add tables and columns."""
    run_sql(__file__)
