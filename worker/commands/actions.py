"""``plazo actions``: who did what by command, and when."""

import json
from datetime import timedelta
from operator import itemgetter
from typing import Any

from worker.commands.output import console, print_json, table
from worker.commands.parts import finish, open_databases
from worker.settings import Settings

_COLUMNS = ("at", "author", "command")


def actions(settings: Settings, since: timedelta, limit: int, *, as_json: bool) -> None:
    """Print the newest.

    Raises:
        DatabaseUnavailable, SchemaNotCurrent
    """

    async def work() -> tuple[list[Any], int]:
        found: list[Any] = []
        matching = 0
        async with open_databases(settings) as databases:
            for store in databases.all:
                async with store.session() as session:
                    rows = await session.rows("actions", since, limit)
                found += rows
                matching += rows[0]["matching"] if rows else 0
        if databases.several:
            found.sort(key=itemgetter("at"), reverse=True)
        return found[:limit], matching

    rows, matching = finish(settings, work())
    if as_json:
        print_json([
            {name: row[name] for name in _COLUMNS} | {"arguments": json.loads(row["arguments"])}
            for row in rows
        ])  # fmt: skip
        return
    out = console()
    if not rows:
        out.print("nothing was done")
        return
    shown = ([*(row[name] for name in _COLUMNS), _told(row["arguments"])] for row in rows)
    out.print(table("Actions, newest first (UTC)", (*_COLUMNS, "arguments"), shown))
    if matching > len(rows):
        out.print(f"{len(rows)} of {matching}; see more with --limit")


def _told(arguments: str) -> str:
    return ", ".join(f"{name} {value}" for name, value in json.loads(arguments).items())
