"""Know a topic that was made again by its id, and count unsettled dead letters without a scan."""

from worker.storage.migrations.scripts import run_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Keep the id of each topic beside the positions, and index what waits for a person."""
    run_sql(__file__)
