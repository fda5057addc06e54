"""``plazo migrate``: brings the database's schema up to date."""

import typer

from worker.cli.context import author_of
from worker.cli.options import By
from worker.cli.settings import load_settings


def migrate(by: By = None) -> None:
    """Bring the database's schema up to date; safe beside workers and when repeated."""
    import asyncio

    from worker.storage.migrate import migrate as apply_migrations

    settings = load_settings()
    author = author_of(by, nobody="a job")
    url = settings.database_url.get_secret_value()
    typer.echo(f"schema is at {asyncio.run(apply_migrations(url, by=author))}")
