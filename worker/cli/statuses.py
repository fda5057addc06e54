"""``plazo statuses``: the statuses that Plazo knows, and those that it met and does not know."""

from typing import Annotated, Any

import typer

from worker.cli.context import finish, open_database
from worker.cli.options import AsJson, Limit
from worker.cli.output import console, print_json, table
from worker.cli.settings import load_settings

_OTHERS = "(all others)"


def statuses(
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="Those that were met and that no table knows."),
    ] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Print each known status with its meaning, or the unknown ones that were met."""
    if unknown:
        _print_unknown(limit, as_json=as_json)
        return
    from schemas.statuses import STATUSES
    from worker.policy.registry import load_policies

    known = load_policies(load_settings()).vocabulary.known
    rows = [
        {
            "status": status,
            "meaning": meaning.value,
            "source": "table" if STATUSES.get(status) == meaning else "policy file",
        }
        for status, meaning in known.items()
    ]
    if as_json:
        print_json(rows)
        return
    names = ("status", "meaning", "source")
    console().print(table("Statuses", names, ([*row.values()] for row in rows)))


def _print_unknown(limit: int, *, as_json: bool) -> None:
    from schemas.statuses import nearest
    from worker.policy.registry import load_policies

    settings = load_settings()
    known = load_policies(settings).vocabulary.known

    async def read() -> list[Any]:
        async with open_database(settings) as database:
            return await database.rows("unknown_statuses", limit)

    rows = finish(settings, read())
    shown = [
        {
            **{name: value for name, value in row.items() if name != "matching"},
            "status": row["status"] or None,
            "nearest": nearest(row["status"], known) if row["status"] else None,
        }
        for row in rows
    ]
    if as_json:
        print_json(shown)
        return
    out = console()
    if not rows:
        out.print("no unknown statuses")
        return
    names = ("status", "topic", "records", "first", "at", "last", "at", "nearest known")
    out.print(
        table(
            "Statuses that no table knows, the most frequent first (UTC)",
            names,
            (
                [_OTHERS if each["status"] is None else each["status"], *list(each.values())[1:]]
                for each in shown
            ),
        )
    )
    if (matching := rows[0]["matching"]) > len(rows):
        out.print(f"{len(rows)} of {matching}; see more with --limit")
