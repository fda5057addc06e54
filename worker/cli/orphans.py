"""``plazo orphans``: acts without an order, and refused acts that name no known order."""

from typing import Annotated, Any

import typer

from worker.cli.context import finish, open_database
from worker.cli.durations import parse_duration
from worker.cli.options import AsJson, Limit
from worker.cli.output import console, print_json, table
from worker.cli.settings import load_settings


def orphans(
    older_than: Annotated[
        str,
        typer.Option(metavar="TIME", help="Orders whose first act came so long ago: 1h, P1D."),
    ] = "1h",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List the acts whose order never came, and the refused acts that name no known order."""
    settings = load_settings()
    age = parse_duration(older_than, "--older-than")

    async def read() -> tuple[list[Any], list[Any]]:
        async with open_database(settings) as database:
            return (
                await database.rows("orphan_orders", age, limit),
                await database.rows("astray_refusals", limit),
            )

    orders, refusals = finish(settings, read())
    if as_json:
        print_json({"orders": _plain(orders), "refusals": _plain(refusals)})
        return
    out = console()
    if not orders and not refusals:
        out.print("no orphans")
    if orders:
        out.print(
            table(
                "Acts without an order, the oldest first (UTC)",
                ("order", "since", "acts", "first act", "at", "place", "last act", "at", "place"),
                (
                    (
                        row["order_id"], row["received_at"], row["acts"],
                        row["first_status"], row["first_at"], row["first_place"],
                        row["last_status"], row["last_at"], row["last_place"],
                    )
                    for row in orders
                ),
            )
        )  # fmt: skip
        _print_rest(orders)
    if refusals:
        out.print(
            table(
                "Refused acts that name no known order, newest first (UTC)",
                ("dead letter", "lane", "time", "error", "message", "place", "names"),
                (
                    (
                        row["id"], row["lane"], row["timestamp"], row["error"], row["message"],
                        row["place"], ", ".join(row["names"]) or None,
                    )
                    for row in refusals
                ),
            )
        )  # fmt: skip
        _print_rest(refusals)


def _plain(rows: list[Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "matching"} for row in rows]


def _print_rest(rows: list[Any]) -> None:
    if (matching := rows[0]["matching"]) > len(rows):
        console().print(f"{len(rows)} of {matching}; see more with --limit")
