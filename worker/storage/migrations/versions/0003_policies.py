"""Policies, by name and version."""

from worker.storage.migrations.scripts import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table and the column, empty."""
    run_sql(__file__)
