"""``plazo replay``: decides the past again, in shadow mode, and reports on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.context import author_of, open_database, run_on_loop
from worker.cli.durations import parse_start
from worker.cli.options import AsJson, By
from worker.cli.output import console, fail, print_json, table
from worker.cli.settings import load_settings
from worker.cli.shadow import print_report

if TYPE_CHECKING:
    from worker.operations.replay import Backlog, Ranges


def replay(
    start: Annotated[
        str,
        typer.Option("--from", metavar="TIME", help="A time, or a duration before now: 7d, PT12H."),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report what would be read.")
    ] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Decide in shadow mode the orders of the logs since then, and report on the decisions."""
    from worker.observability import logs
    from worker.operations import replay as operation

    settings = load_settings()
    since = parse_start(start, "--from")
    if settings.mode != "shadow":
        raise typer.BadParameter("only with PLAZO_MODE=shadow: a replay has no consequences")
    logs.configure("warning", settings.log_format)
    began = datetime.now(UTC)
    author = None if dry_run else author_of(by, nobody="a job")

    async def prepare() -> "Ranges":
        async with open_database(settings) as database:
            return await operation.prepare(settings, database, since, author)

    ranges = run_on_loop(prepare)
    if dry_run:
        _print(ranges, as_json=as_json)
        return
    with _progress_bars(ranges) as show:
        complete = run_on_loop(lambda: operation.run(settings, ranges, show))
    if not complete:
        fail("stopped before its end; `plazo run` continues it")
    print_report(settings, datetime.now(UTC) - began + timedelta(minutes=1), as_json=as_json)


@contextmanager
def _progress_bars(ranges: "Ranges") -> Iterator[Callable[["Backlog"], None]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    total = sum(one.records for one in ranges.values())
    with Progress(*columns, console=console(stderr=True), transient=True) as bars:
        reading = bars.add_task("records", total=total)
        deciding = bars.add_task("deciding", total=None, visible=False)

        def show(backlog: "Backlog") -> None:
            bars.update(reading, completed=total - backlog.records)
            if not backlog.records:
                bars.update(deciding, visible=True, description=f"{backlog.verdicts} to decide")

        yield show


def _print(ranges: "Ranges", *, as_json: bool) -> None:
    rows = [
        {"topic": topic, "partition": number, **one._asdict(), "records": one.records}
        for (topic, number), one in sorted(ranges.items())
    ]
    if as_json:
        print_json(rows)
        return
    heads = ("topic", "partition", "from offset", "to", "complete since", "records")
    console().print(table("Would be read", heads, ([*row.values()] for row in rows)))
