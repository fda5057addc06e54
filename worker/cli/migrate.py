"""``plazo migrate``: brings the database's schema up to date."""

from typing import Annotated

import typer

from worker.cli.context import author_of
from worker.cli.options import AsJson, By
from worker.cli.output import print_json
from worker.cli.settings import load_settings


def migrate(
    grants: Annotated[
        bool,
        typer.Option("--grants", help="Then run grants.sql; roles.sql must have run once."),
    ] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Bring the database's schema up to date; safe beside workers and when repeated."""
    import asyncio

    from worker.operations.assets import grants as statements
    from worker.storage.migrate import grant
    from worker.storage.migrate import migrate as apply_migrations

    settings = load_settings()
    author = author_of(by, nobody="a job")
    url = settings.database_url.get_secret_value()

    async def work() -> str:
        schema = await apply_migrations(url, by=author, cell=settings.database_schema)
        if grants:
            await grant(url, statements(), cell=settings.database_schema)
        return schema

    schema = asyncio.run(work())
    if as_json:
        print_json({"schema": schema, "grants": grants})
    else:
        named = f"schema {settings.database_schema or ''}".rstrip()
        typer.echo(f"{named} is at {schema}{'; the roles have their privileges' * grants}")
