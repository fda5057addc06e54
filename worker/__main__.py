"""``plazo``: the command line.

Exit status: 0 done; 1 a check failed or a promise was broken; 2 wrong use or settings; 3 the
database's schema is not current; 4 Kafka or Postgres is unavailable.
"""

import sys
from typing import Annotated

import typer

from worker.cli import (
    brake,
    contract,
    dead_letters,
    deadlines,
    lanes,
    policy,
    positions,
    shadow,
    topics,
)
from worker.cli.actions import actions
from worker.cli.assets import assets, runbook
from worker.cli.check import check
from worker.cli.decisions import decisions
from worker.cli.dev import dev
from worker.cli.erase import erase
from worker.cli.explain import explain
from worker.cli.export import export
from worker.cli.forget import forget
from worker.cli.migrate import migrate
from worker.cli.orders import orders
from worker.cli.orphans import orphans
from worker.cli.outlook import outlook
from worker.cli.replay import replay
from worker.cli.run import run
from worker.cli.sellers import sellers
from worker.cli.settings import settings
from worker.cli.statuses import statuses
from worker.errors import (
    DatabaseFault,
    KafkaUnavailable,
    ModeConflict,
    PlazoError,
    PolicyConflict,
    PolicyInvalid,
    PublishFailed,
    SchemaNotCurrent,
    SessionNotKept,
    SeveralDatabases,
    UnknownPlace,
)

app = typer.Typer(
    name="plazo",
    help="Decides every lapsed stock-validation deadline exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

for _command in (
    run, migrate, dev, check, runbook, assets, explain, orders, decisions, outlook, export, erase,
    forget, actions, sellers, replay, orphans, statuses, settings,
):  # fmt: skip
    app.command()(_command)
for _group in (lanes, positions, shadow, policy, contract, brake, topics, dead_letters, deadlines):
    app.add_typer(_group.app)

_STATUS: dict[type[PlazoError], int] = {
    PolicyInvalid: 2,
    SeveralDatabases: 2,
    SessionNotKept: 2,
    UnknownPlace: 2,
    ModeConflict: 3,
    PolicyConflict: 3,
    SchemaNotCurrent: 3,
    KafkaUnavailable: 4,
    PublishFailed: 4,
}


def _print_version(requested: bool) -> None:
    if requested:
        from worker import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Plazo runs beside Kafka and Postgres; every setting is a ``PLAZO_…`` variable."""


def main() -> None:
    """Entry point."""
    try:
        app()
    except PlazoError as error:
        part = "Postgres: " if isinstance(error, DatabaseFault) else ""
        typer.echo(f"plazo: {part}{error}", err=True)
        sys.exit(_STATUS.get(type(error), 4 if isinstance(error, DatabaseFault) else 1))


if __name__ == "__main__":
    main()
