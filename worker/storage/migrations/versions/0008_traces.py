"""Trace contexts of orders."""

from worker.storage.migrations.scripts import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table."""
    run_sql(__file__)
