"""Dead letters that nobody has settled are counted without a scan."""

from worker.storage.migrations.scripts import run_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Index the dead letters that wait for a person."""
    run_sql(__file__)
