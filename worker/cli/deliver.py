"""``plazo deliver``: decisions as signed webhooks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.context import finish, run_on_loop
from worker.cli.output import console
from worker.cli.settings import load_settings
from worker.exit_status import ExitStatus

if TYPE_CHECKING:
    from worker.deliver.again import Result


def deliver(
    to: Annotated[
        list[str],
        typer.Option(metavar="[NAME=]URL", help="A receiver. Several need a name each."),
    ],
    types: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE,…",
            help="The types that it gets, such as auto-cancel,escalation; by default all. Once for "
            "all receivers, or once after each --to.",
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow http to another machine.")
    ] = False,
    again: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Send the decisions of a dead-letter file once more, and end."
        ),
    ] = None,
) -> None:
    """Deliver decisions to HTTP receivers, each at least once, in order for each order."""
    import asyncio

    from worker.deliver.again import deliver_again
    from worker.deliver.receivers import receivers
    from worker.deliver.service import Deliver
    from worker.observability import logs

    settings = load_settings()
    secrets = settings.deliver_secret.get_secret_value() if settings.deliver_secret else ""
    found = receivers(to, types or [], secrets, insecure=insecure)
    if again is not None:
        _report(finish(settings, deliver_again(again, found, settings)))
        return
    logs.configure(settings.log_level, settings.log_format)

    async def main() -> None:
        logs.catch_loop_errors(asyncio.get_running_loop())
        await Deliver(settings, found).run()

    run_on_loop(main)


def _report(results: "list[Result]") -> None:
    """Print each failure and the count; exit with 1 after a failure."""
    failed = [one for one in results if one.error]
    for one in failed:
        typer.echo(f"line {one.line}: {one.receiver}: {one.error} ({one.id})", err=True)
    console().print(f"{len(results) - len(failed)} of {len(results)} delivered")
    if failed:
        raise typer.Exit(ExitStatus.FAULT)
