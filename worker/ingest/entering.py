"""Enters the orders, stubs and acts of batches, in one of two ways.

COPY costs half as much in a large batch, but it cannot skip a row whose key exists. If another lane
inserts the same order after :meth:`Entering.by_copy` has looked, COPY fails with ``KeyTaken`` and
the transaction is void. The same rows then go through :meth:`Entering.by_statement`, whose INSERT
waits for the other lane and leaves its row as it is.

By then the rows are half packed: the acts are bytes for COPY and their values are gone, while
orders and stubs are still values. So :meth:`Entering.by_statement` sends packed acts by COPY as
well. That cannot meet the same error, because the table of acts has no unique key.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from worker.clock import Clock
from worker.domain.policy import Policies
from worker.ingest.rows import (
    act_columns,
    deadline_rows,
    entering_columns,
    is_salvaged,
    order_columns,
)
from worker.ingest.share import Share
from worker.lanes.timers import TimerChange, arm_reminders, earlier
from worker.storage import binary_copy
from worker.storage.transaction import Transaction, text_array


class Entering:
    """Enters batches, and arms their orders under these policies."""

    def __init__(self, policies: Policies, clock: Clock) -> None:
        self._policies = policies
        self._clock = clock

    async def by_statement(self, tx: Transaction, shares: Sequence[Share]) -> None:
        """Enter batches of several lanes, though other lanes may enter the same at this moment."""
        for share in shares:
            share.rows.unpack([*share.rows.packed_orders])
        if packed := [act for share in shares for act in share.rows.packed_acts]:
            await tx.copy_packed("acts", binary_copy.ACT_COLUMNS, packed)
        batches = [(share.lane.number, share.rows) for share in shares]
        held = {order_id for _, rows in batches for order_id in rows.orders}
        # An order of one of the lanes is none to the others.
        stubs = {order_id for _, rows in batches for order_id in rows.stubs()} - held
        touched = {order_id for _, rows in batches for order_id in rows.touched}
        acts = act_columns(rows for _, rows in batches)
        inserted, met = set[tuple[str, int | None]](), dict[str, tuple[int | None, bool]]()
        if held or acts[0] or touched:
            row = await tx.row(
                "enter_orders",
                max(rows.now for _, rows in batches),
                list(stubs),
                *entering_columns(batches),
                list(touched),
                *acts,
            )
            assert row is not None
            inserted = {*zip(row["entered"], row["lanes"], strict=True)}
            met = {
                order_id: (lane, watched)
                for order_id, lane, watched in zip(
                    row["met"], row["met_lanes"], row["watched"], strict=True
                )
            }
        for share in shares:
            await self._settle(tx, share, inserted, met)

    async def _settle(
        self,
        tx: Transaction,
        share: Share,
        inserted: set[tuple[str, int | None]],
        met: Mapping[str, tuple[int | None, bool]],
    ) -> None:
        """Take a lane's share of what was inserted, and of the touched orders that were met."""
        lane, rows = share.lane.number, share.rows
        orders, touched = rows.orders, rows.touched
        new = [order for order_id, order in orders.items() if (order_id, lane) in inserted]
        deadlines = deadline_rows(lane, new)
        timers = TimerChange(len(deadlines), deadlines[0][1] if deadlines else None)
        # An order that neither existed nor was inserted by this lane came from another one, while
        # we waited for its key or in this statement. Its row is not among those that we met, so all
        # touched orders may need a notice.
        complete = len(new) == len(orders) and all(
            order_id in met or (order_id, None) in inserted for order_id in rows.stubs()
        )
        share.to_notice = touched
        if complete:
            share.to_notice = {
                order_id
                for order_id in touched & met.keys()
                if met[order_id][0] != lane or met[order_id][1]
            }
        share.counted, share.entered = timers.armed, len(new)
        if share.entered < len(orders):
            # The others are repeats, or have no more than a stub or the half of an order yet.
            timers += await self._adopt(tx, share, list(orders))
        # Which of them were known is not worth a query of its own where all are new.
        share.repeats = orders if share.entered < len(orders) else ()
        share.timers = timers + await self._remind(tx, lane, list(orders))

    async def by_copy(self, tx: Transaction, share: Share) -> None:
        """Enter a batch at half the cost, if no other lane enters the same.

        Raises:
            KeyTaken: another lane entered one of them; the transaction is void.
        """
        lane, rows = share.lane.number, share.rows
        orders = rows.orders
        order_ids = text_array(orders.keys() | rows.packed_orders.keys() | rows.touched)
        known = {row["order_id"]: row for row in await tx.rows("existing_orders", order_ids)}
        rows.unpack(known)
        new = [order for order_id, order in orders.items() if order_id not in known]
        if packed := rows.pack_orders(lane, new, rows.stubs(known)):
            # In the order of their keys: two lanes that meet wait for each other instead of
            # deadlocking.
            await tx.copy_packed("orders", binary_copy.ORDER_COLUMNS, packed)
        deadlines = deadline_rows(lane, new)
        fires_at = deadlines[0][1] if deadlines else None
        packed = binary_copy.deadlines(deadlines)
        if rows.packed_orders:
            assert share.plain is not None
            plain, first = share.plain.deadlines(rows)
            packed.append(plain)
            fires_at = earlier(fires_at, first)
        if packed:
            await tx.copy_packed("deadlines", binary_copy.DEADLINE_COLUMNS, packed)
        rows.pack()
        await tx.copy_packed("acts", binary_copy.ACT_COLUMNS, rows.packed_acts)
        share.entered = len(new) + len(rows.packed_orders)
        timers = TimerChange(len(deadlines) + len(rows.packed_orders), fires_at)
        if unread := [o for o in orders if o in known and _is_unread(known[o], lane)]:
            timers += await self._adopt(tx, share, unread)
        share.timers = timers + await self._remind(tx, lane, [*orders, *rows.packed_orders])
        # Skip the others: the fence guarantees that this lane's orders have not changed since we
        # read them, and new stubs belong to no lane yet.
        share.to_notice = {
            order_id
            for order_id in rows.touched & known.keys()
            if known[order_id]["lane"] != lane or known[order_id]["watched"]
        }
        share.repeats = [o for o in orders if o in known and not _is_unread(known[o], lane)]

    async def _adopt(self, tx: Transaction, share: Share, order_ids: Sequence[str]) -> TimerChange:
        """Enter orders with no more than a stub or a salvaged row.

        A salvaged order is no news for its own row.
        """
        lane, rows = share.lane.number, share.rows
        readable = [each for each in order_ids if not is_salvaged(rows.orders[each])]
        found = await tx.rows("lock_unread", order_ids, readable, lane)
        adopted = order_columns([rows.orders[row["order_id"]] for row in found])
        topic, partition = rows.home or (None, None)
        row = await tx.row("adopt_orders", lane, topic, partition, rows.now, *adopted)
        assert row is not None
        share.entered += row["entered"]
        return TimerChange(row["armed"], row["first_fires_at"])

    async def _remind(self, tx: Transaction, lane: int, order_ids: Sequence[str]) -> TimerChange:
        if not order_ids or not self._policies.reminds:
            return TimerChange()
        now = self._clock.now()
        first = await arm_reminders(tx, lane, order_ids, now, self._policies)
        return TimerChange(first_reminds_at=first)


def _is_unread(row: Mapping[str, Any], lane: int) -> bool:
    """Whether an order has no more than a stub, or what our lane salvaged of it."""
    return row["lane"] is None or (row["lane"] == lane and bool(row["salvaged"]))
