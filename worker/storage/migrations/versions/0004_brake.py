"""The brake on mass cancellation."""

from worker.storage.migrations.scripts import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add its tables."""
    run_sql(__file__)
