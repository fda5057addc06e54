"""Orders that wait for their clock, looked at again.

At a take-over it is all of them, and now and then those that seem to wait in vain.
"""

from collections.abc import Sequence

from worker.lanes.lane import Lane
from worker.observability.logs import logger

log = logger(__name__)

# Seconds between two looks at the orders that seem to wait in vain.
LOOK_AGAIN = 900.0
_PAGE = 1_000


async def notice_waiting(lane: Lane, clocks: Sequence[str] | None = None) -> int:
    """Leave a notice for each order of a lane whose clock has not started; return their number.

    The worker before may have had another policy file: one by which the status that starts a clock
    said nothing, or by which the order need not wait at all.

    With ``clocks``, only for orders with an act of one of these statuses. While workers with
    different policy files run side by side, such an act and its order may have passed each other:
    to the worker that read the act it said nothing, and the one that entered the order at that
    moment did not see the act yet.

    Raises: as :meth:`Lane.fence`.
    """
    last, orders, page = "", 0, _PAGE
    while page >= _PAGE:
        async with lane.lock, lane.database.transaction() as tx:
            await lane.fence(tx)
            row = await tx.row("notice_waiting", lane.number, last, _PAGE, clocks)
        assert row is not None
        page, last = row["orders"], row["last"]
        orders += row["noticed"]
    if orders:
        log.info("waiting_orders_noticed", lane=lane.number, orders=orders)
    return orders
