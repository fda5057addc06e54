"""Orders that wait for their clock, looked at again whenever a lane is taken over."""

from worker.lanes.lane import Lane
from worker.observability.logs import logger

log = logger(__name__)

_PAGE = 1_000


async def notice_waiting(lane: Lane) -> None:
    """Leave a notice for each order of a lane whose clock has not started.

    The worker before may have had another policy file: one by which the status that starts a clock
    said nothing, or by which the order need not wait at all.

    Raises: as :meth:`Lane.fence`.
    """
    last, orders, page = "", 0, _PAGE
    while page >= _PAGE:
        async with lane.lock, lane.database.transaction() as tx:
            await lane.fence(tx)
            row = await tx.row("notice_waiting", lane.number, last, _PAGE)
        assert row is not None
        page, last = row["orders"], row["last"]
        orders += page
    if orders:
        log.info("waiting_orders_noticed", lane=lane.number, orders=orders)
