"""Who did what by command."""

from worker.storage.migrations.scripts import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the table."""
    run_sql(__file__)
