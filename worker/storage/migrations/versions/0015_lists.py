"""Orders and decisions are listed by time without reading all of them."""

from worker.storage.migrations.scripts import run_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Index orders by entry and decisions by time."""
    run_sql(__file__)
