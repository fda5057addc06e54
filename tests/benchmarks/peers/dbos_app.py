"""Deadlines with DBOS: a workflow for each order, put into a queue with a delay.

It promises less: nothing proves that all events were read when a workflow looks at its order;
nothing is revoked or published in order.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from datetime import datetime

import asyncpg
from dbos import DBOS

from ..persistence import DECIDE
from .plan import carry_out

QUEUE = "deadlines"
pool: asyncpg.Pool

DBOS(
    config={
        "name": "lapse",
        "system_database_url": os.environ["BENCH_DATABASE_URL"],
        "run_admin_server": False,
        "log_level": "WARNING",
    }
)


@DBOS.step()
async def decide(order_id: str, due: float) -> None:
    """One look at the order."""
    await pool.execute(DECIDE, order_id, due)


@DBOS.workflow(name="lapse")
async def lapse(order_id: str, due: float) -> None:
    """Waiting was the queue's part."""
    await decide(order_id, due)


async def schedule(orders: Sequence[str], due: datetime) -> None:
    """A workflow for each, some at a time."""
    at = due.timestamp()
    gate = asyncio.Semaphore(10)

    async def enqueue(order_id: str) -> None:
        async with gate:
            await DBOS.enqueue_workflow_with_options_async(
                {
                    "workflow_name": "lapse",
                    "queue_name": QUEUE,
                    "workflow_id": order_id,
                    "delay_seconds": at - time.time(),
                },
                order_id,
                at,
            )

    await asyncio.gather(*map(enqueue, orders))


async def main() -> None:
    """Schedule and work until the process is told to stop."""
    global pool
    pool = await asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"])
    DBOS.launch()
    await DBOS.register_queue_async(QUEUE)
    await carry_out(pool, schedule)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
