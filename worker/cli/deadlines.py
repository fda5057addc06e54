"""``plazo deadlines``: extends, holds or releases many open orders, and lists what is on hold."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.context import author_of, finish, open_database
from worker.cli.durations import parse_duration, parse_time
from worker.cli.errors import print_error
from worker.cli.help import Commands
from worker.cli.options import AsJson, DryRun, Limit
from worker.cli.output import console, print_json, progress_bar, table
from worker.cli.settings import load_settings
from worker.exit_status import ExitStatus

if TYPE_CHECKING:
    from worker.operations.deadlines import Change, Result, Selection

app = Commands(
    name="deadlines", no_args_is_help=True, help="Extensions and holds of many orders at once."
)

Orders = Annotated[list[str] | None, typer.Argument(metavar="ORDER…")]
Seller = Annotated[str | None, typer.Option(metavar="ID", help="All open orders of this seller.")]
Policy = Annotated[str | None, typer.Option(metavar="NAME", help="All open ones of this policy.")]
EnteredBetween = Annotated[
    tuple[str, str] | None,
    typer.Option(metavar="A B", help="All open ones that entered from A to B: times, or 2h, P1D."),
]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept with the orders.")]
Author = Annotated[
    str | None,
    typer.Option("--by", "--author", metavar="NAME", help="The author; by default the user."),
]


@app.command("held")
def held(
    limit: Limit = 50,
    personal: Annotated[
        bool, typer.Option("--with-personal-data", help="Print author and reason of each hold.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the orders that are on hold, the longest held first."""
    settings = load_settings()

    async def read() -> list[Any]:
        async with open_database(settings) as database:
            return await database.rows("held_deadlines", limit)

    rows = finish(settings, read())
    names = ["order_id", "seller_id", "policy", "entered_at", "due", "held_at"]
    names += ["author", "reason"] if personal else []
    shown = [{name: row[name] for name in names} for row in rows]
    if as_json:
        print_json(shown)
        return
    out = console()
    if not rows:
        out.print("no order is on hold")
        return
    heads = [name.removesuffix("_id").replace("_", " ") for name in names]
    title = "Orders on hold, the longest held first (UTC)"
    out.print(table(title, heads, ([*each.values()] for each in shown)))
    if (matching := rows[0]["matching"]) > len(rows):
        out.print(f"{len(rows)} of {matching}; see more with --limit")


@app.command("extend")
def extend(
    reason: Reason,
    orders: Orders = None,
    to: Annotated[str | None, typer.Option(metavar="TIME", help="The new deadline.")] = None,
    add: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The time beyond each order's first deadline: 4h, P1D."),
    ] = None,
    seller: Seller = None,
    entered_between: EnteredBetween = None,
    policy: Policy = None,
    by: Author = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give open orders more time: one event for each of them."""
    from worker.operations.deadlines import Change, Kind

    if (to is None) == (add is None):
        raise typer.BadParameter("give either --to or --add")
    author = author_of(by, nobody="nobody" if dry_run else None)
    wanted = Change(
        Kind.EXTEND,
        author,
        reason,
        parse_time(to, "--to") if to else None,
        parse_duration(add, "--add") if add else None,
    )
    _change(wanted, _selection(orders, seller, entered_between, policy), dry_run, as_json)


@app.command("hold")
def hold(
    reason: Reason,
    orders: Orders = None,
    seller: Seller = None,
    entered_between: EnteredBetween = None,
    policy: Policy = None,
    by: Author = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Keep the verdicts of open orders from falling, until their release."""
    from worker.operations.deadlines import Change, Kind

    wanted = Change(Kind.HOLD, author_of(by, nobody="nobody" if dry_run else None), reason)
    _change(wanted, _selection(orders, seller, entered_between, policy), dry_run, as_json)


@app.command("release")
def release(
    reason: Reason,
    orders: Orders = None,
    seller: Seller = None,
    entered_between: EnteredBetween = None,
    policy: Policy = None,
    by: Author = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let the verdicts of held orders fall again."""
    from worker.operations.deadlines import Change, Kind

    wanted = Change(Kind.RELEASE, author_of(by, nobody="nobody" if dry_run else None), reason)
    _change(wanted, _selection(orders, seller, entered_between, policy), dry_run, as_json)


def _selection(
    orders: Sequence[str] | None,
    seller: str | None,
    entered_between: tuple[str, str] | None,
    policy: str | None,
) -> "Selection":
    from worker.operations.deadlines import Selection

    start: datetime | None = None
    end: datetime | None = None
    if entered_between:
        start, end = (parse_time(text, "--entered-between") for text in entered_between)
        if start > end:
            raise typer.BadParameter("the first is the earlier", param_hint="--entered-between")
    others = bool(seller or entered_between or policy)
    if bool(orders) == others:
        raise typer.BadParameter("give either orders, or --seller, --entered-between or --policy")
    return Selection(tuple(dict.fromkeys(orders or ())), seller, policy, start, end)


def _change(wanted: "Change", selection: "Selection", dry_run: bool, as_json: bool) -> None:
    from worker.operations import deadlines

    settings = load_settings()

    async def work() -> "Result":
        with progress_bar("open orders", beyond=deadlines.PAGE) as progress:
            async with open_database(settings) as database:
                return await deadlines.change(
                    settings, database, selection, wanted, dry_run=dry_run, progress=progress
                )

    result = finish(settings, work())
    if as_json:
        print_json({"dry_run": dry_run, **asdict(result)})
    else:
        _print(wanted, result, dry_run)
    if result.not_open or result.too_far:
        raise typer.Exit(ExitStatus.FAULT)


def _print(wanted: "Change", result: "Result", dry_run: bool) -> None:
    out = console()
    verb = "would publish" if dry_run else "published"
    out.print(f"{verb} {result.published} events; {result.already} orders need none")
    if result.first:
        more = ", …" if result.published > len(result.first) else ""
        out.print(f"{wanted.kind}: {', '.join(result.first)}{more}", markup=False)
    if result.too_far:
        print_error(f"{result.too_far} were left out: further than PLAZO_MAX_EXTENSION allows")
    for order_id in result.not_open:
        print_error(f"{order_id} is not open")
