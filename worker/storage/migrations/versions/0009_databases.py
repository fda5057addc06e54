"""Lanes in more than one database."""

from worker.storage.migrations.scripts import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table and the columns."""
    run_sql(__file__)
