"""``plazo migrate``: brings the schema of every database up to date."""

import asyncio

import typer

from worker.commands.parts import who
from worker.migrate import migrate as apply_migrations
from worker.settings import Settings


def migrate(settings: Settings, *, by: str | None) -> None:
    """Apply every missing step.

    Raises:
        DatabaseUnavailable: no connection, or a database refuses a step; those before it are done.
    """
    author = who(by, nobody="a job")
    urls = settings.placements.urls
    for number, url in enumerate(urls, 1):
        revision = asyncio.run(apply_migrations(url, by=author))
        which = f" in database {number} of {len(urls)}" if len(urls) > 1 else ""
        typer.echo(f"schema is at {revision}{which}")
