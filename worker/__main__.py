"""``plazo``: the command line. The status of each ending stands in worker/exit_status.py."""

from typing import Annotated

import typer

from worker.cli import (
    brake,
    contract,
    dead_letters,
    deadlines,
    formats,
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
from worker.cli.deliver import deliver
from worker.cli.dev import dev
from worker.cli.erase import erase
from worker.cli.errors import run_to_exit
from worker.cli.explain import explain
from worker.cli.export import export
from worker.cli.forget import forget
from worker.cli.help import Commands
from worker.cli.migrate import migrate
from worker.cli.orders import orders
from worker.cli.orphans import orphans
from worker.cli.outlook import outlook
from worker.cli.replay import replay
from worker.cli.run import run
from worker.cli.sellers import sellers
from worker.cli.settings import settings
from worker.cli.statuses import statuses

app = Commands(
    name="plazo",
    help="Decides every lapsed stock-validation deadline exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

for _command in (
    run, migrate, dev, check, runbook, assets, explain, orders, decisions, outlook, export, erase,
    forget, actions, sellers, replay, orphans, statuses, settings, deliver,
):  # fmt: skip
    app.command()(_command)
for _group in (
    lanes, positions, shadow, policy, contract, formats, brake, topics, dead_letters, deadlines,
):  # fmt: skip
    app.add_typer(_group.app)


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
    run_to_exit(app)


if __name__ == "__main__":
    main()
