"""Marks by which a log is known again."""

from worker.storage.migrations.scripts import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns, empty."""
    run_sql(__file__)
