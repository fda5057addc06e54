"""``plazo orders``: finds orders."""

from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from worker.cli.context import finish, open_database
from worker.cli.options import (
    After,
    AsCsv,
    AsJson,
    PageLimit,
    PolicyName,
    Seller,
    WaitingForPerson,
    Zone,
)
from worker.cli.output import console, print_csv, print_json, table
from worker.cli.settings import load_settings
from worker.cli.zones import parse_moment, zone_of
from worker.domain.case import Reason
from worker.operations.format import local
from worker.operations.states import OrderStatus

if TYPE_CHECKING:
    from worker.operations.orders import OrderRow
    from worker.operations.questions import Page

_RECENT = "7d"


def orders(
    seller: Seller = None,
    status: Annotated[OrderStatus | None, typer.Option(help="In this state.")] = None,
    reason: Annotated[
        Reason | None, typer.Option(help="With a decision in force for this reason.")
    ] = None,
    policy: PolicyName = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Entered at or after: a day, a time, or 2h, P1D ago. By default 7d, for open and "
            "held orders no limit.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Entered before: a day, a time, or 2h ago.")
    ] = None,
    only_open: Annotated[
        bool, typer.Option("--open", help="Not decided yet; the most urgent first.")
    ] = False,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Not decided, though the deadline has passed.")
    ] = False,
    held: Annotated[bool, typer.Option("--held", help="On hold by an event.")] = False,
    waiting_for_person: WaitingForPerson = False,
    zone: Zone = None,
    limit: PageLimit = 50,
    after: After = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Find orders by seller, state, reason and time; the newest first."""
    from worker.operations.orders import OrderFilter, OrderRow, find_orders

    settings = load_settings()
    shown_in = zone_of(settings, zone)
    wanted = OrderFilter(
        seller=seller, policy=policy, reason=reason, status=status,
        until=parse_moment(until, "--until", shown_in),
        open=only_open, overdue=overdue, held=held, waiting_for_person=waiting_for_person,
    )  # fmt: skip
    if since is None and not wanted.urgent and not held:
        since = _RECENT
    wanted = replace(wanted, since=parse_moment(since, "--since", shown_in))

    async def find() -> "Page[OrderRow]":
        async with open_database(settings) as database:
            return await find_orders(database, wanted, limit=limit, after=after)

    page = finish(settings, find())
    if as_json:
        print_json({"orders": [asdict(row) for row in page.rows], "next": page.next})
    elif as_csv:
        names = [field.name for field in fields(OrderRow)]
        print_csv(names, ([getattr(row, name) for name in names] for row in page.rows))
    else:
        _print(page, since, shown_in)


def _print(page: "Page[OrderRow]", since: str | None, zone: ZoneInfo) -> None:
    out = console()
    if not page.rows:
        out.print(f"no order fits{f', since {since}' if since else ''}", markup=False)
        return
    heads = ("order", "seller", "state", "reason", "deadline")
    out.print(
        table(
            f"Orders (times: {zone.key})",
            heads,
            (
                (
                    row.order_id, row.seller_id, _state(row), ", ".join(row.reasons) or None,
                     local(row.due, zone) if row.due else None,
                )
                for row in page.rows
            ),
            whole=("order", "seller"),
        )
    )  # fmt: skip
    if page.next:
        out.print(f"there are more: --after {page.next}", markup=False, soft_wrap=True)


def _state(row: "OrderRow") -> str:
    notes = {
        "on hold": row.held,
        "overdue": row.overdue,
        "a record is unreadable": row.shielded,
        "waits for a person": row.waiting_for_person and not row.held and not row.shielded,
    }
    said = [row.status.value.replace("_", "-"), *(note for note, holds in notes.items() if holds)]
    return ", ".join(said)
