"""Finds lanes whose stored state is not the one in memory: the database has lost commits.

A lane at work finds out in its next transaction. An idle lane has none, and would wait for a record
or for a deadline.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from worker.clock import Clock
from worker.errors import DatabaseFault
from worker.lanes.lane import Lane
from worker.storage.database import Database

_INTERVAL = 3.0


class Integrity:
    """Looks at the lanes of one worker until cancelled."""

    def __init__(self, database: Database, clock: Clock, lanes: Callable[[], list[Lane]]) -> None:
        self._database = database
        self._clock = clock
        self._lanes = lanes

    async def run(self) -> None:
        """Look every few seconds until cancelled."""
        while True:
            await self._clock.sleep(_INTERVAL)
            with suppress(DatabaseFault):
                await self.look()

    async def look(self) -> None:
        """Compare the rows of all lanes with memory, in one query.

        A commit may be under way, so a difference is a doubt only. The lane itself verifies it,
        between two of its transactions.

        Raises:
            DatabaseUnavailable
        """
        if not (lanes := self._lanes()):
            return
        numbers = [lane.number for lane in lanes]
        async with self._database.session() as session:
            rows = await session.rows("lanes_as_stored", numbers)
            incarnation = session.incarnation
        stored: defaultdict[int, list[Any]] = defaultdict(list)
        for row in rows:
            stored[row["lane"]].append(row)
        for lane in lanes:
            if incarnation != lane.incarnation or not _equals(lane, stored[lane.number]):
                lane.doubted.set()


def _equals(lane: Lane, rows: Collection[Mapping[str, Any]]) -> bool:
    positions = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    return {(row["epoch"], row["owner"], row["sequence"]) for row in rows} == {
        (lane.epoch, lane.owner, lane.sequence)
    } and lane.positions.items() <= positions.items()
