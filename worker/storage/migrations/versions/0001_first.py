"""The first schema."""

from worker.storage.migrations.scripts import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    run_sql(__file__)
