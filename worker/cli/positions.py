"""``plazo positions rewind``: reads a topic again from an earlier offset."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.context import author_of, finish, open_database
from worker.cli.help import Commands
from worker.cli.options import AsJson, By, DryRun
from worker.cli.output import console, print_json, table
from worker.cli.settings import load_settings

if TYPE_CHECKING:
    from worker.operations.positions import Rewound

app = Commands(name="positions", no_args_is_help=True, help="How far the inputs were read.")


@app.callback()
def _group() -> None:
    """Without it the only command would take the name of the group."""


@app.command("rewind")
def rewind(
    topic: Annotated[str, typer.Argument(metavar="TOPIC")],
    partition: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, max=2**31 - 1, help="By default all of the topic."),
    ] = None,
    to: Annotated[
        str, typer.Option(metavar="OFFSET", help="An offset, or the earliest in the log.")
    ] = "earliest",
    dry_run: DryRun = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Read a replaced topic again. Undecided orders that entered earlier escalate."""
    from worker.operations import positions as operation

    if to != "earliest" and not (to.isascii() and to.isdigit() and int(to) < 2**63):
        raise typer.BadParameter("an offset, or earliest", param_hint="--to")
    settings = load_settings()
    if topic not in settings.input_topics:
        raise typer.BadParameter(f"the inputs are {', '.join(settings.input_topics)}")
    author = author_of(by, nobody="nobody" if dry_run else None)

    async def work() -> "list[Rewound]":
        async with open_database(settings) as database:
            return await operation.rewind(
                settings,
                database,
                topic,
                partition,
                None if to == "earliest" else int(to),
                author=author,
                dry_run=dry_run,
            )

    rewound = [asdict(one) for one in finish(settings, work())]
    if as_json:
        print_json({"dry_run": dry_run, "topic": topic, "positions": rewound})
        return
    title = "Would be set back" if dry_run else "Set back"
    heads = ("topic", "partition", "from", "to")
    console().print(table(title, heads, ([topic, *one.values()] for one in rewound)))
