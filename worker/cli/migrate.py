"""``plazo migrate``: brings the database's schema up to date."""

import asyncio

import typer

from worker.cli.context import who
from worker.settings import Settings
from worker.storage.migrate import migrate as apply_migrations


def migrate(settings: Settings, *, by: str | None) -> None:
    """Apply every missing step.

    Raises:
        DatabaseUnavailable: no connection, or a step is refused; those before it are done.
    """
    author = who(by, nobody="a job")
    url = settings.database_url.get_secret_value()
    typer.echo(f"schema is at {asyncio.run(apply_migrations(url, by=author))}")
