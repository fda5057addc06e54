"""Count the escalations that nobody has answered without a scan."""

from worker.storage.migrations.scripts import run_sql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Index the escalations by lane and time."""
    run_sql(__file__)
