"""A topic that was replaced holds other records at the places of the old ones."""

from worker.storage.migrations.scripts import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Tell dead letters of one place apart by the time of their records."""
    run_sql(__file__)
