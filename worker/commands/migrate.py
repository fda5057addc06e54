"""``plazo migrate``: brings the schema up to date."""

import asyncio

import typer

from worker.commands.parts import who
from worker.migrate import migrate as apply_migrations
from worker.settings import Settings


def migrate(settings: Settings, *, by: str | None) -> None:
    """Apply every missing step.

    Raises:
        DatabaseUnavailable: no connection, or the database refuses a step.
    """
    url = settings.database_url.get_secret_value()
    revision = asyncio.run(apply_migrations(url, by=who(by, nobody="a job")))
    typer.echo(f"schema is at {revision}")
