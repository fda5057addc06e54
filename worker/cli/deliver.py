"""``plazo deliver``: decisions as signed webhooks."""

from typing import Annotated

import typer

from worker.cli.context import run_on_loop
from worker.cli.settings import load_settings


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
) -> None:
    """Deliver decisions to HTTP receivers, each at least once, in order for each order."""
    import asyncio

    from worker.deliver.receivers import receivers
    from worker.deliver.service import Deliver
    from worker.observability import logs

    settings = load_settings()
    secrets = settings.deliver_secret.get_secret_value() if settings.deliver_secret else ""
    found = receivers(to, types or [], secrets, insecure=insecure)
    logs.configure(settings.log_level, settings.log_format)

    async def main() -> None:
        logs.catch_loop_errors(asyncio.get_running_loop())
        await Deliver(settings, found).run()

    run_on_loop(main)
