"""Orders that are cancelled and alive again, told twice, or told in words that no table knows."""

from worker.storage.migrations.scripts import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Keep the start of each clock, the versions of an order, and all that was not understood."""
    run_sql(__file__)
