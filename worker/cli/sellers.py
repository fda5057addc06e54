"""``plazo sellers``: shows how sellers keep their deadlines, day by day."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.context import finish, open_database
from worker.cli.durations import parse_duration
from worker.cli.options import AsJson
from worker.cli.output import console, print_csv, print_json, table
from worker.cli.settings import load_settings
from worker.operations.format import span

if TYPE_CHECKING:
    from worker.settings import Settings

_COLUMNS = (
    "seller_id", "day", "orders", "validated_in_time", "cancelled_in_time", "auto_cancelled",
    "escalated", "median_to_validate", "p95_to_validate",
)  # fmt: skip


def sellers(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="The days to look back: 7d, P30D and so on.")
    ] = "7d",
    seller: Annotated[str | None, typer.Option(metavar="ID", help="Only this seller.")] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV on stdout.")] = False,
) -> None:
    """Show how sellers keep their deadlines, day by day; CSV and JSON give times in seconds."""
    settings = load_settings()
    rows = finish(settings, _rows(settings, parse_duration(since, "--since"), seller))
    if as_json:
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    elif as_csv:
        print_csv(_COLUMNS, rows)
    else:
        heads = [name.replace("_", " ") for name in _COLUMNS]
        console().print(table("Sellers", heads, ([_span(v) for v in row] for row in rows)))


async def _rows(settings: "Settings", since: timedelta, seller: str | None) -> Sequence[Any]:
    async with open_database(settings) as database:
        rows = await database.rows("seller_days", await database.now() - since, seller)
    return [[row[name] for name in _COLUMNS] for row in rows]


def _span(value: object) -> object:
    return span(value) if isinstance(value, timedelta) else value
