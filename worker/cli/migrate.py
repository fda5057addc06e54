"""``plazo migrate``: brings the database's schema up to date."""

import typer

from worker.cli.context import author_of
from worker.cli.options import AsJson, By
from worker.cli.output import print_json
from worker.cli.settings import load_settings


def migrate(by: By = None, as_json: AsJson = False) -> None:
    """Bring the database's schema up to date; safe beside workers and when repeated."""
    import asyncio

    from worker.storage.migrate import migrate as apply_migrations

    settings = load_settings()
    author = author_of(by, nobody="a job")
    url = settings.database_url.get_secret_value()
    schema = asyncio.run(apply_migrations(url, by=author))
    if as_json:
        print_json({"schema": schema})
    else:
        typer.echo(f"schema is at {schema}")
