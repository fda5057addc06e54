"""The lines of records, for people whose role in Postgres may not read the records themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

from worker.storage.transaction import Transaction


async def read_lines(
    tx: Transaction, order_ids: list[str], statuses: list[str]
) -> Sequence[Mapping[str, Any]]:
    """The rows of case_lines.sql; without the right to read bodies, nothing but their lines."""
    right = await tx.row("may_read_bodies")
    if right is not None and right["may_read"]:
        return await tx.rows("case_lines", order_ids, statuses)
    return await tx.rows("lines_without_bodies", order_ids, statuses)
