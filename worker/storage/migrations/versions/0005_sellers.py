"""The sellers' scorecard."""

from worker.storage.migrations.scripts import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the view."""
    run_sql(__file__)
