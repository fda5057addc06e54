"""Keeps the statuses that no table knows, with their first and last place."""

from collections.abc import Mapping

from worker.ingest.rows import UnknownStatus
from worker.storage.transaction import Transaction, columns

# The words of a partition that are kept by name; all others are counted together.
MOST = 1_000


async def store_unknown(tx: Transaction, unknown: Mapping[tuple[str, str], UnknownStatus]) -> None:
    """Add the unknown statuses of a batch, by status and topic.

    Raises:
        DatabaseUnavailable
    """
    rows = [
        (topic, found.first[0], status, *found.first[1:], *found.last[1:], found.records)
        for (status, topic), found in unknown.items()
    ]
    await tx.execute("insert_unknown_statuses", *columns(rows), MOST)
