"""``plazo actions``: who did what by command, and when."""

import json
from datetime import timedelta
from typing import Any

from worker.cli.context import finish, open_store
from worker.cli.output import console, print_json, table
from worker.settings import Settings

_COLUMNS = ("at", "author", "command")


def actions(settings: Settings, since: timedelta, limit: int, *, as_json: bool) -> None:
    """Print the newest.

    Raises:
        DatabaseUnavailable, SchemaNotCurrent
    """

    async def work() -> list[Any]:
        async with open_store(settings) as store:
            return await store.rows("actions", since, limit)

    rows = finish(settings, work())
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
    if (matching := rows[0]["matching"]) > len(rows):
        out.print(f"{len(rows)} of {matching}; see more with --limit")


def _told(arguments: str) -> str:
    return ", ".join(f"{name} {value}" for name, value in json.loads(arguments).items())
