"""Runs the SQL file beside a revision as one script."""

from pathlib import Path

from alembic import op


def run_sql(revision_file: str) -> None:
    """Execute ``<revision>.sql`` on the migration's own connection.

    The driver gets the text as one script: split into statements, it could not hold a function
    body or a comment with a semicolon.
    """
    script = Path(revision_file).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.run_async(lambda driver: driver.execute(script))
