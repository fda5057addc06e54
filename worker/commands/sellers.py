"""``plazo sellers``: how sellers keep their deadlines, day by day."""

import csv
import sys
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from worker.commands.output import console, print_json, table
from worker.commands.parts import finish, open_databases
from worker.settings import Settings
from worker.wording import span

_COLUMNS = (
    "seller_id", "day", "orders", "validated_in_time", "cancelled_in_time", "auto_cancelled",
    "escalated", "median_to_validate", "p95_to_validate",
)  # fmt: skip


class Format(StrEnum):
    """How it is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def sellers(settings: Settings, since: timedelta, seller: str | None, form: Format) -> None:
    """Show the scorecard; times in CSV and JSON are seconds.

    Raises:
        DatabaseUnavailable, SchemaNotCurrent
    """
    rows = finish(settings, _rows(settings, since, seller))
    if form == Format.JSON:
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
    elif form == Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows([_plain(value) for value in row] for row in rows)
    else:
        heads = [name.replace("_", " ") for name in _COLUMNS]
        console().print(table("Sellers", heads, ([_shown(v) for v in row] for row in rows)))


async def _rows(settings: Settings, since: timedelta, seller: str | None) -> Sequence[Any]:
    async with open_databases(settings) as databases:
        begin = await databases.now() - since
        if databases.several:
            return _together(await databases.rows("seller_times", begin, seller))
        found = await databases.rows("seller_days", begin, seller)
    return [[row[name] for name in _COLUMNS] for row in found]


def _together(rows: Sequence[Any]) -> Sequence[Any]:
    """A seller's day has a row in each database that is home to some of its orders."""
    found: dict[tuple[Any, str], list[Any]] = {}
    for row in rows:
        found.setdefault((row["day"], row["seller_id"]), []).append(row)
    together = []
    for (day, seller_id), parts in sorted(found.items(), key=lambda one: one[0][1]):
        counts = [sum(row[name] for row in parts) for name in _COLUMNS[2:7]]
        took = sorted(time for row in parts for time in row["times_to_validate"])
        together.append([seller_id, day, *counts, _within(took, 0.5), _within(took, 0.95)])
    return sorted(together, key=lambda row: row[1], reverse=True)


def _within(took: Sequence[timedelta], share: float) -> timedelta | None:
    """As percentile_cont() has it."""
    if not took:
        return None
    place = share * (len(took) - 1)
    below = took[int(place)]
    return below + (took[min(int(place) + 1, len(took) - 1)] - below) * (place - int(place))


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _shown(value: object) -> object:
    return span(value) if isinstance(value, timedelta) else value
