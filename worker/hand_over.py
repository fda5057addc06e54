"""Tells home lanes of acts whose order was not known where they came to, one database of several.

In one database the act's own transaction leaves the notice. Here it leaves a stray; that becomes a
notice in the database of the order's home, and then is removed. A crash in between repeats the
notice, which changes nothing.

An order that no database has as its own is none of our business, now and later: whoever enters it
decides it, starts its clock and moves its deadline in transactions that begin after it entered, and
so after this look; each looks here again, and finds the act, which was committed before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.lane import Lane
from worker.metrics import Metrics
from worker.store import Store


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The lanes that were told. ``more``: it was cut at the batch size."""

    lanes: frozenset[int]
    more: bool


class HandOver:
    """The strays of one lane. It needs no fence: what a former owner does again is harmless."""

    def __init__(
        self, lane: Lane, stores: Sequence[Store], metrics: Metrics, batch_size: int
    ) -> None:
        self._lane = lane
        self._stores = stores
        self._metrics = metrics
        self._batch_size = batch_size

    async def hand_over(self) -> HandedOver:
        """Hand over those that wait, up to a batch.

        Raises:
            DatabaseUnavailable: some database does not answer; they wait.
        """
        async with self._lane.store.session() as session:
            rows = await session.rows("waiting_strays", self._lane.number, self._batch_size)
        if not rows:
            return HandedOver(frozenset(), more=False)
        # An order that was touched twice is looked at once.
        order_ids = list(dict.fromkeys(row["order_id"] for row in rows))
        told: list[int] = []
        for store in self._stores:
            async with store.session() as session:
                homes = await session.rows("notify_homes", order_ids)
            told += [row["lane"] for row in homes]
        async with self._lane.store.session() as session:
            await session.execute("take_strays", [row["id"] for row in rows])
        self._metrics.handed_over.inc(len(told))
        return HandedOver(frozenset(told), more=len(rows) >= self._batch_size)
