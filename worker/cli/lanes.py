"""``plazo lanes``: shows the lanes, or skips the record at which one fails."""

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.context import author_of, finish, open_database
from worker.cli.errors import print_error
from worker.cli.help import Commands
from worker.cli.options import AsJson, By, DryRun
from worker.cli.output import cell, console, print_json, table
from worker.cli.settings import load_settings

if TYPE_CHECKING:
    from worker.operations.lanes import SkipResult
    from worker.records import Partition
    from worker.settings import Settings

_COLUMNS = (
    "lane", "owner", "taken_at", "epoch", "lag", "read_to", "open_deadlines", "next_verdict",
    "sequence", "published",
)  # fmt: skip


app = Commands(name="lanes")


@app.callback(invoke_without_command=True)
def lanes(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the owner of each lane, its lag, and its undecided orders."""
    if context.invoked_subcommand is not None:
        return
    settings = load_settings()
    rows = finish(settings, _rows(settings))
    if as_json:
        print_json(rows)
    else:
        heads = [name.replace("_", " ") for name in _COLUMNS]
        console().print(table("Lanes", heads, ([row[name] for name in _COLUMNS] for row in rows)))


@app.command("skip")
def skip(
    topic: Annotated[str, typer.Argument(metavar="TOPIC")],
    partition: Annotated[int, typer.Argument(metavar="PARTITION", min=0, max=2**31 - 1)],
    offset: Annotated[int, typer.Argument(metavar="OFFSET", min=0, max=2**63 - 2)],
    yes: Annotated[
        bool, typer.Option("--yes", help="Confirm that the worker shall not read this record.")
    ] = False,
    dry_run: DryRun = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Turn the record at which a lane fails into a dead letter, which shields its orders."""
    from worker.operations import lanes as operation

    if not (yes or dry_run):
        raise typer.BadParameter("the worker will never read this record: confirm with --yes")
    settings = load_settings()
    if topic not in settings.input_topics:
        raise typer.BadParameter(f"the inputs are {', '.join(settings.input_topics)}")
    author = author_of(by, nobody="nobody" if dry_run else None)

    async def work() -> "SkipResult":
        async with open_database(settings) as database:
            return await operation.skip(
                settings, database, (topic, partition), offset, author=author, dry_run=dry_run
            )

    result = finish(settings, work())
    if as_json:
        print_json({"dry_run": dry_run, **asdict(result)})
        return
    verb = "would skip" if dry_run else "skipped"
    shields = ", ".join(result.shields) or "no order"
    console().print(cell(f"{verb} {topic}/{partition}@{offset}, which shields {shields}"))
    if not result.readable:
        print_error("the record could not be read: its orders are not known, so none is shielded")


async def _rows(settings: "Settings") -> list[dict[str, Any]]:
    from worker.lanes import status

    ends = await _ends(settings)
    async with open_database(settings) as database, database.session() as session:
        rows = await status.read(session, ends)
    return [{name: row[name] for name in _COLUMNS} for row in rows]


async def _ends(settings: "Settings") -> "dict[Partition, int] | None":
    """The ends of the logs; nothing, and so no lag, where Kafka does not answer."""
    from worker.errors import KafkaUnavailable
    from worker.kafka.offsets import OffsetReader

    offsets = OffsetReader(settings)
    with suppress(KafkaUnavailable):
        try:
            return await offsets.ends()
        finally:
            await offsets.close()
    return None
