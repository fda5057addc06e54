"""``plazo forget``: keeps the database as small as it has to be."""

from dataclasses import asdict
from datetime import timedelta

import typer
from rich.progress import Progress

from worker.cli.context import finish, open_store, record, who
from worker.cli.output import console, print_json
from worker.operations.retention import Forgotten
from worker.operations.retention import forget as forget_orders
from worker.policy.registry import book_of
from worker.settings import Settings

# An act or a repeat may come late, and people ask about orders for a while.
_LEAST = timedelta(days=1)


def forget(
    settings: Settings,
    older_than: timedelta,
    *,
    pause: float,
    dry_run: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Remove what was settled longer ago than that.

    Raises:
        DatabaseUnavailable
        typer.BadParameter: it would reach orders of which something may still come.
    """
    least = book_of(settings).longest + _LEAST
    if older_than < least:
        raise typer.BadParameter(f"at least {least}: the longest window, the grace and a day")

    async def work() -> Forgotten:
        async with open_store(settings) as store:
            before = await store.now() - older_than
            if not dry_run:
                async with store.transaction() as tx:
                    author = who(by, nobody="a job")
                    await record(tx, author, "forget", settled_before=before)
            with Progress(console=console(stderr=True), transient=True) as bar:
                task = bar.add_task("orders looked at", total=None)
                return await forget_orders(
                    store,
                    settings.order_status_changed_topic,
                    before,
                    pause=pause,
                    dry_run=dry_run,
                    progress=lambda done: bar.update(task, completed=done.looked_at),
                )

    done = finish(settings, work())
    if as_json:
        print_json({"dry_run": dry_run, **asdict(done)})
    else:
        counted = (f"{number} {name.replace('_', ' ')}" for name, number in asdict(done).items())
        console().print(f"{'would forget' if dry_run else 'forgot'}: {', '.join(counted)}")
