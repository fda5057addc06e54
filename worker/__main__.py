"""``plazo``: the command line.

Exit status: 0 done; 1 a check failed or a promise was broken; 2 wrong use or settings; 3 the
database's schema is not current; 4 Kafka or Postgres cannot be reached.
"""

import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from worker import __version__
from worker.errors import DatabaseFault, KafkaUnavailable, PlazoError, SchemaNotCurrent
from worker.settings import Settings

app = typer.Typer(
    name="plazo",
    help="Decides every lapsed stock-validation deadline exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        # All faults at once, and no value: one of them may be a password.
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = "_".join(str(part) for part in fault["loc"]) or "settings"
            typer.echo(f"PLAZO_{name.upper()}: {fault['msg']}", err=True)
        raise typer.Exit(2) from None


@app.command()
def run() -> None:
    """Run the worker."""
    from worker.commands.run import run as command

    command(_settings())


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date; safe to run beside workers and more than once."""
    from worker.commands.migrate import migrate as command

    command(_settings())


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Plazo runs beside Kafka and Postgres; every setting is a ``PLAZO_…`` variable."""


def main() -> None:
    """Entry point."""
    try:
        app()
    except PlazoError as error:
        typer.echo(f"plazo: {error}", err=True)
        sys.exit(_STATUS.get(type(error), 4 if isinstance(error, DatabaseFault) else 1))


_STATUS: dict[type[PlazoError], int] = {SchemaNotCurrent: 3, KafkaUnavailable: 4}


if __name__ == "__main__":
    main()
