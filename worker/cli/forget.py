"""``plazo forget``: removes orders that were settled long ago."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.context import author_of, finish, open_database
from worker.cli.durations import parse_duration
from worker.cli.options import AsJson, By
from worker.cli.output import console, print_json, progress_bar
from worker.cli.settings import load_settings

if TYPE_CHECKING:
    from worker.operations.retention import RetentionResult

# An act or a repeat may come late, and people ask about orders for a while.
_LEAST = timedelta(days=1)


def forget(
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="Settled longer ago than 90d, P90D and so on.")
    ],
    pause: Annotated[
        float, typer.Option(min=0, max=60, help="Seconds of rest after each 2,000 orders.")
    ] = 0.1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Remove orders and refusals settled long ago; safe beside workers, and safe to stop."""
    from worker.operations.actions import record
    from worker.operations.retention import forget as forget_orders
    from worker.policy.registry import load_policies

    settings = load_settings()
    age = parse_duration(older_than, "--older-than")
    least = load_policies(settings).longest + _LEAST
    if age < least:
        raise typer.BadParameter(f"at least {least}: the longest window, the grace and a day")

    async def work() -> "RetentionResult":
        async with open_database(settings) as database:
            before = await database.now() - age
            if not dry_run:
                async with database.transaction() as tx:
                    author = author_of(by, nobody="a job")
                    await record(tx, author, "forget", settled_before=before)
            with progress_bar("orders looked at") as show:
                return await forget_orders(
                    database,
                    settings.order_status_changed_topic,
                    before,
                    pause=pause,
                    dry_run=dry_run,
                    progress=lambda done: show(done.looked_at, None),
                )

    result = asdict(finish(settings, work()))
    if as_json:
        print_json({"dry_run": dry_run, **result})
    else:
        counts = (f"{number} {name.replace('_', ' ')}" for name, number in result.items())
        console().print(f"{'would forget' if dry_run else 'forgot'}: {', '.join(counts)}")
