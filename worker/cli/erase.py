"""``plazo erase``: removes personal data from stored orders."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.context import author_of, finish, open_database
from worker.cli.options import AsJson, By, DryRun
from worker.cli.output import console, print_json, progress_bar
from worker.cli.settings import load_settings

if TYPE_CHECKING:
    from worker.operations.erasure import Erased


def erase(
    orders: Annotated[list[str] | None, typer.Argument(metavar="ORDER…")] = None,
    seller: Annotated[
        str | None, typer.Option(metavar="ID", help="All orders of this seller.")
    ] = None,
    responsible: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="All orders with a record that names this person, as it is spelt."
        ),
    ] = None,
    dry_run: DryRun = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Remove bodies, names and free texts of orders; no decision changes, and a repeat is safe.

    Statuses, times, places and the SKUs and quantities of lines stay. Refused records lose their
    bytes. Kafka keeps its own copies until their retention ends.
    """
    from worker.operations.erasure import Subject
    from worker.operations.erasure import erase as erase_orders

    if sum(map(bool, (orders, seller, responsible))) != 1:
        raise typer.BadParameter("give either orders, or --seller, or --responsible")
    settings = load_settings()
    author = author_of(by, nobody="nobody" if dry_run else None)
    subject = Subject(tuple(dict.fromkeys(orders or ())), seller, responsible)

    async def work() -> "Erased":
        with progress_bar("orders") as show:
            async with open_database(settings) as database:
                return await erase_orders(
                    database, subject, author, dry_run=dry_run,
                    progress=lambda done: show(done.orders, None),
                )  # fmt: skip

    result = asdict(finish(settings, work()))
    if as_json:
        print_json({"dry_run": dry_run, **result})
        return
    counts = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in result.items())
    console().print(f"{'would erase' if dry_run else 'erased'}: {counts}")
