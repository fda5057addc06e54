"""``plazo actions``: the changes made by commands, with their authors."""

import json
from typing import Annotated, Any

import typer

from worker.cli.context import finish, open_database
from worker.cli.durations import parse_duration
from worker.cli.options import AsJson, Limit
from worker.cli.output import console, print_json, table
from worker.cli.settings import load_settings

_COLUMNS = ("at", "author", "command")


def actions(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="The period to look back: 7d, PT12H and so on.")
    ] = "30d",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Print who released the brake, settled dead letters, migrated and so on, newest first."""
    settings = load_settings()
    period = parse_duration(since, "--since")

    async def read() -> list[Any]:
        async with open_database(settings) as database:
            return await database.rows("actions", period, limit)

    rows = finish(settings, read())
    if as_json:
        print_json([
            {name: row[name] for name in _COLUMNS} | {"arguments": json.loads(row["arguments"])}
            for row in rows
        ])  # fmt: skip
        return
    out = console()
    if not rows:
        out.print("no actions")
        return
    shown = ([*(row[name] for name in _COLUMNS), _arguments(row["arguments"])] for row in rows)
    out.print(table("Actions, newest first (UTC)", (*_COLUMNS, "arguments"), shown))
    if (matching := rows[0]["matching"]) > len(rows):
        out.print(f"{len(rows)} of {matching}; see more with --limit")


def _arguments(arguments: str) -> str:
    return ", ".join(f"{name} {value}" for name, value in json.loads(arguments).items())
