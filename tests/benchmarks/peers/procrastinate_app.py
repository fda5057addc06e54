"""Deadlines with procrastinate: a job for each order, scheduled for when it is due.

It promises less: nothing proves that all events were read when a job looks at its order; a job
whose worker died stays undone until somebody retries it; nothing is revoked or published in order.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime

import asyncpg
from procrastinate import App, PsycopgConnector

from ..persistence import DECIDE
from .plan import carry_out

app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_DATABASE_URL"]))
pool: asyncpg.Pool


@app.task
async def lapse(order_id: str, due: float) -> None:
    """One look at the order."""
    await pool.execute(DECIDE, order_id, due)


async def schedule(orders: Sequence[str], due: datetime) -> None:
    """A job for each."""
    at = due.timestamp()
    await lapse.configure(schedule_at=due).batch_defer_async(
        *({"order_id": order_id, "due": at} for order_id in orders)
    )


async def main() -> None:
    """Schedule and work until the process is told to stop."""
    global pool
    pool = await asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"])
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(carry_out(pool, schedule))
            # Every second instead of every five, as the others by default.
            tasks.create_task(app.run_worker_async(concurrency=20, fetch_job_polling_interval=1.0))


if __name__ == "__main__":
    asyncio.run(main())
