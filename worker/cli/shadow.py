"""``plazo shadow report``: compares the decisions of shadow mode with the course of events."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.context import finish, open_database
from worker.cli.durations import parse_duration
from worker.cli.help import Commands
from worker.cli.options import AsJson
from worker.cli.output import console, print_json, table
from worker.cli.settings import load_settings

if TYPE_CHECKING:
    from worker.settings import Settings

app = Commands(name="shadow", no_args_is_help=True, help="Decide without consequences.")


@app.command("report")
def report(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Decided in this period: 7d, PT12H and so on.")
    ] = "7d",
    as_json: AsJson = False,
) -> None:
    """Compare the decisions of shadow mode with what happened to the orders."""
    print_report(load_settings(), parse_duration(since, "--since"), as_json=as_json)


def print_report(settings: "Settings", since: timedelta, *, as_json: bool) -> None:
    """Count decided orders by verdict and by their acts, with some of each.

    Raises:
        DatabaseUnavailable, SchemaNotCurrent
    """

    async def read() -> list[dict[str, object]]:
        from schemas.statuses import STATUSES, Meaning

        async with open_database(settings) as database:
            begin = await database.now() - since
            handling = [s for s, meaning in STATUSES.items() if meaning == Meaning.HANDLING]
            rows = await database.rows("shadow_report", begin, handling)
        return [dict(row) for row in rows]

    rows = finish(settings, read())
    if as_json:
        print_json(rows)
        return
    heads = ("would be", "what happened", "orders", "such as")
    shown = ((r["outcome"], r["happened"], r["orders"], " ".join(r["examples"])) for r in rows)  # type: ignore[arg-type]
    console().print(table("Verdicts and what happened", heads, shown))
