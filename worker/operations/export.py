"""Exports everything that is stored of one order, as one document."""

import json
from typing import Any

from worker.operations.actions import record
from worker.operations.questions import asking
from worker.storage.database import Database

FORMAT = "plazo.order-export/1"
# Of a table; an order with more is told as incomplete.
MOST_ROWS = 100_000
TABLES = (
    "orders", "acts", "decisions", "deadlines", "deadline_changes", "order_versions", "reminders",
    "notices", "strays", "traces", "shields", "dead_letters", "policies",
)  # fmt: skip


async def export(database: Database, order_id: str, author: str) -> dict[str, Any] | None:
    """Every row of every table that names the order; ``None``: there is none.

    Columns are those of the tables. Times are ISO 8601, bytes are hexadecimal behind ``\\\\x``.
    ``complete`` is false if a table holds more than 100,000 rows of it. The export is recorded as
    an action of its author, because it shows personal data.

    Raises:
        TooCostly, DatabaseUnavailable: nothing was recorded.
    """
    async with asking(database) as tx:
        rows = await tx.rows("export_order", order_id, MOST_ROWS)
    if not rows:
        return None
    tables: dict[str, list[Any]] = {name: [] for name in TABLES}
    for row in rows:
        tables[row["name"]].append(json.loads(row["row"]))
    async with database.transaction() as tx:
        await record(tx, author, "export", order=order_id)
    return {
        "format": FORMAT,
        "order_id": order_id,
        "exported_at": await database.now(),
        "complete": all(len(found) < MOST_ROWS for found in tables.values()),
        "tables": tables,
    }
