"""``plazo migrate``: brings the schema up to date."""

import asyncio

import typer

from worker.migrate import migrate as apply_migrations
from worker.settings import Settings


def migrate(settings: Settings) -> None:
    """Apply every missing step.

    Raises:
        DatabaseUnavailable: no connection, or the database refuses a step.
    """
    revision = asyncio.run(apply_migrations(settings.database_url.get_secret_value()))
    typer.echo(f"schema is at {revision}")
