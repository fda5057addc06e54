"""``plazo sellers``: how sellers keep their deadlines, day by day."""

import csv
import sys
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any

from worker.cli.context import finish, open_store
from worker.cli.output import console, print_json, table
from worker.operations.format import span
from worker.settings import Settings

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
    async with open_store(settings) as store:
        found = await store.rows("seller_days", await store.now() - since, seller)
    return [[row[name] for name in _COLUMNS] for row in found]


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _shown(value: object) -> object:
    return span(value) if isinstance(value, timedelta) else value
