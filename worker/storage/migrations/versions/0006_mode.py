"""Whether verdicts are in earnest."""

from worker.storage.migrations.scripts import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table."""
    run_sql(__file__)
