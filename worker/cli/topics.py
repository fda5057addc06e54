"""``plazo topics create``: creates the topics that are missing."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.context import author_of, finish, open_database
from worker.cli.errors import print_error
from worker.cli.help import Commands
from worker.cli.options import AsJson, By, DryRun
from worker.cli.output import cell, console, print_json
from worker.cli.settings import load_settings
from worker.operations.format import count

if TYPE_CHECKING:
    from worker.operations.topics import Step
    from worker.settings import Settings

app = Commands(name="topics", no_args_is_help=True, help="The topics.")


@app.command("create")
def create(
    partitions: Annotated[
        int | None,
        typer.Option(min=1, help="For new topics; by default those of the other input, or 12."),
    ] = None,
    dead_letter_partitions: Annotated[
        int, typer.Option(min=1, help="For a new topic of dead letters.")
    ] = 1,
    replication_factor: Annotated[
        int, typer.Option(min=-1, max=32767, help="-1 is the cluster's default.")
    ] = -1,
    dry_run: DryRun = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Create the topics that are missing, and widen the decisions topic if it is too narrow."""
    if replication_factor == 0:
        raise typer.BadParameter("-1 or at least 1", param_hint="--replication-factor")
    settings = load_settings()

    async def work() -> "list[Step]":
        from worker.kafka.admin import KafkaAdmin
        from worker.operations.topics import apply, plan

        admin = KafkaAdmin(settings)
        try:
            steps = await plan(admin, settings, partitions, dead_letter_partitions)
            if not dry_run:
                await apply(admin, steps, replication_factor)
                await _record(settings, author_of(by, nobody="a job"), steps)
            return steps
        finally:
            await admin.close()

    steps = finish(settings, work())
    if as_json:
        print_json({"dry_run": dry_run, "topics": [asdict(step) for step in steps]})
        return
    words = {"create": "created", "widen": "widened", "keep": "was there"}
    if dry_run:
        words = {"create": "would be created", "widen": "would be widened", "keep": "is there"}
    for step in steps:
        width = count(step.partitions, "partition")
        console().print(cell(f"{step.topic}: {words[step.action]}, {width}"))


async def _record(settings: "Settings", author: str, steps: Sequence["Step"]) -> None:
    """Record the action if Postgres takes it: topics may be created before there is a schema."""
    from worker.errors import DatabaseFault, SchemaNotCurrent
    from worker.operations.actions import record

    done = {step.topic: step.action for step in steps if step.action != "keep"}
    if not done:
        return
    try:
        async with open_database(settings) as database, database.transaction() as tx:
            await record(tx, author, "topics create", **done)
    except (DatabaseFault, SchemaNotCurrent) as error:
        print_error(f"Postgres keeps no record of this: {error}")
