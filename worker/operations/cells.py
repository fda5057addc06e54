"""Looks for orders that another cell in the same database has, too."""

from collections.abc import Iterable, Mapping
from typing import Any

from worker.operations.checks.model import OtherCell
from worker.storage.database import Database
from worker.storage.migrations import serves

# Orders to look up in each other cell, spread over our lanes.
_SAMPLE = 10_000
_LIVE = "live"


async def other_cells(database: Database) -> tuple[list[OtherCell], int]:
    """The other live cells that our role may read, and how many of our orders were looked up there.

    A rehearsal may be told what a live cell is told: if this cell or the other one is in shadow
    mode, they are not compared. Topics are the same only if the broker says so by their ids: cells
    may use several clusters.

    Raises:
        DatabaseUnavailable
    """
    names = [row["cell"] for row in await database.rows("cells")]
    mode = await database.rows("mode")
    if not names or not mode or mode[0]["mode"] != _LIVE:
        return [], 0
    lanes = await database.rows("lanes")
    each = max(1, _SAMPLE // (2 * max(1, len(lanes))))
    ours = [row["order_id"] for row in await database.rows("newest_orders", each)]
    topics = _topics(await database.rows("positions"))
    found = []
    for name in names:
        async with database.transaction() as tx:
            await tx.execute("enter_cell", name)
            version = await tx.row("schema_version")
            if version is None or not serves(version["version_num"]):
                found.append(OtherCell(name, version["version_num"] if version else "none"))
                continue
            theirs = await tx.row("mode")
            if theirs is None or theirs["mode"] != _LIVE:
                continue
            told = [row["order_id"] for row in await tx.rows("told_there", ours)]
            read = _topics(await tx.rows("positions"))
        shared = sorted(topic for key, topic in topics.items() if key in read)
        found.append(OtherCell(name, version["version_num"], told, shared))
    return found, len(ours)


def _topics(positions: Iterable[Mapping[str, Any]]) -> dict[bytes, str]:
    """Topics that were read, by their ids, where the broker tells them."""
    return {row["topic_id"]: row["topic"] for row in positions if row["topic_id"] is not None}
