"""``plazo outlook``: foresees the next hours."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from worker.cli.context import finish, open_database
from worker.cli.options import AsJson, Zone
from worker.cli.output import console, print_json, table
from worker.cli.settings import load_settings
from worker.cli.zones import zone_of
from worker.operations.format import local

if TYPE_CHECKING:
    from worker.operations.outlook import BrakeOutlook, NamedProspect, Outlook, Prospect

_NUMBERS = ("silent", "auto-cancels", "escalations", "kept or closed", "moved")


def outlook(
    hours: Annotated[int, typer.Option(min=1, max=336, help="The hours to look ahead.")] = 24,
    most: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="The most orders to judge.")
    ] = 50_000,
    zone: Zone = None,
    as_json: AsJson = False,
) -> None:
    """Show the deadlines of the next hours, the verdicts if nobody acts, and the brake."""
    from worker.operations.outlook import look_ahead

    settings = load_settings()
    shown_in = zone_of(settings, zone)

    async def look() -> "Outlook":
        async with open_database(settings) as database:
            return await look_ahead(settings, database, hours=hours, most=most)

    found = finish(settings, look())
    if as_json:
        print_json(asdict(found))
        return
    out = console()
    out.print(table(
        f"Verdicts to expect if nobody acts (times: {shown_in.key})",
        ("until", "lapsing", "judged", *_NUMBERS),
        (
            (
                local(hour.until, shown_in)[:16] if hour.until else "overdue",
                hour.lapsing, hour.judged, *_numbers(hour),
            )
            for hour in found.hours
            if hour.until is not None or hour.lapsing
        ),
    ))  # fmt: skip
    if not found.complete:
        out.print(f"only the first {found.total.judged} were judged; judge more with --most")
    _print_named("policy", found.policies)
    _print_named("seller", found.sellers)
    out.print(_brake(found.brake, shown_in), markup=False)


def _print_named(head: str, prospects: "Iterable[NamedProspect]") -> None:
    rows = [(one.name, one.judged, *_numbers(one)) for one in prospects]
    if rows:
        title = "By policy" if head == "policy" else "The sellers most concerned"
        console().print(table(title, (head, "judged", *_NUMBERS), rows))


def _numbers(one: "Prospect") -> tuple[int, ...]:
    return one.silent, one.auto_cancels, one.escalations, one.others, one.moved


_STATES = {
    "off": "The brake is off: nothing limits the auto-cancels.",
    "tripped": "The brake has tripped and holds every auto-cancel (see `plazo brake status`).",
    "released": "A person has released the brake: nothing limits the auto-cancels.",
    "escalates": "A person has set the brake to escalate what it would hold.",
}


def _brake(brake: "BrakeOutlook", zone: ZoneInfo) -> str:
    if brake.state in _STATES:
        return _STATES[brake.state]
    lines = [f"The brake allows {brake.limits}."]
    if brake.trip is None:
        lines.append("It would not trip.")
    else:
        lines.append(
            f"It would TRIP at {local(brake.trip.at, zone)}: {brake.trip.auto_cancels} "
            f"auto-cancels of {brake.trip.lapsed} lapsed orders in its window."
        )
    if brake.sellers_held:
        shown = ", ".join(f"{seller} {held}" for seller, held in brake.sellers_held.items())
        lines.append(f"The limit of a seller would hold orders of: {shown}.")
    return "\n".join(lines)
