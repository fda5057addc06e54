"""``plazo decisions``: finds decisions."""

from dataclasses import asdict, fields
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
from worker.domain.case import Kind, Reason
from worker.operations.format import local
from worker.operations.states import DecisionStatus

if TYPE_CHECKING:
    from worker.operations.decisions import DecisionRow
    from worker.operations.questions import Page


def decisions(
    seller: Seller = None,
    kind: Annotated[Kind | None, typer.Option(help="Of this kind.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="For this reason.")] = None,
    status: Annotated[DecisionStatus | None, typer.Option(help="In this state.")] = None,
    policy: PolicyName = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Made at or after: a day, a time, or 2h, P1D ago.")
    ] = "7d",
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Made before: a day, a time, or 2h ago.")
    ] = None,
    waiting_for_person: WaitingForPerson = False,
    zone: Zone = None,
    limit: PageLimit = 50,
    after: After = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Find decisions by seller, kind, reason and time; the newest first."""
    from worker.operations.decisions import DecisionFilter, DecisionRow, find_decisions

    settings = load_settings()
    shown_in = zone_of(settings, zone)
    wanted = DecisionFilter(
        seller=seller, policy=policy, kind=kind, reason=reason, status=status,
        since=parse_moment(since, "--since", shown_in),
        until=parse_moment(until, "--until", shown_in),
        waiting_for_person=waiting_for_person,
    )  # fmt: skip

    async def find() -> "Page[DecisionRow]":
        async with open_database(settings) as database:
            return await find_decisions(database, wanted, limit=limit, after=after)

    page = finish(settings, find())
    if as_json:
        print_json({"decisions": [asdict(row) for row in page.rows], "next": page.next})
    elif as_csv:
        names = [field.name for field in fields(DecisionRow)]
        print_csv(names, ([getattr(row, name) for name in names] for row in page.rows))
    else:
        _print(page, since, shown_in)


def _print(page: "Page[DecisionRow]", since: str, zone: ZoneInfo) -> None:
    out = console()
    if not page.rows:
        out.print(f"no decision fits, since {since}", markup=False)
        return
    heads = ("order", "seller", "decision", "reason", "decided", "state")
    out.print(
        table(
            f"Decisions (times: {zone.key})",
            heads,
            (
                (
                    row.order_id, row.seller_id, row.kind, row.reason,
                    local(row.decided_at, zone), _state(row, zone),
                )
                for row in page.rows
            ),
            whole=("order", "reason"),
        )
    )  # fmt: skip
    if page.next:
        out.print(f"there are more: --after {page.next}", markup=False, soft_wrap=True)


def _state(row: "DecisionRow", zone: ZoneInfo) -> str:
    if not row.published:
        return "not published yet"
    if row.revoked_at is not None:
        return f"revoked {local(row.revoked_at, zone)}"
    return "published"
