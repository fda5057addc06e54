"""What one order can cost, what the brake has seen, and what waits."""

from worker.storage.migrations.scripts import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add indexes, columns and the brake's latch."""
    run_sql(__file__)
