"""What a peer that only waits for deadlines is told to do.

``… at_once`` schedules a timer for each order that the database holds, all for one instant, and
says so in ``bench_scheduled``. ``… steady`` enters so many orders a second with a timer for each.
In both a timer looks once at its order, and writes a verdict if the order is silent.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import asyncpg

from ..persistence import ENTER, SCHEDULED

CHUNK = 1_000

# Orders, and when they are due: they get a timer each.
Schedule = Callable[[Sequence[str], datetime], Awaitable[None]]


async def carry_out(pool: asyncpg.Pool, schedule: Schedule) -> None:
    """What the command line and the environment ask for."""
    orders = int(os.environ["BENCH_ORDERS"])
    if sys.argv[1] == "at_once":
        due = datetime.fromtimestamp(float(os.environ["BENCH_DUE"]), UTC)
        for first in range(1, orders + 1, CHUNK):
            await schedule([_id(n) for n in range(first, min(first + CHUNK, orders + 1))], due)
        await pool.execute(SCHEDULED)
        return
    rate, window = float(os.environ["BENCH_RATE"]), float(os.environ["BENCH_WINDOW_MS"]) / 1000
    began = time.time()
    for number in range(1, orders + 1):
        status = "order-created" if number % 10 else "start-handling"
        await pool.execute(ENTER, _id(number), f"seller-{number % 5_000}", status)
        await schedule([_id(number)], datetime.fromtimestamp(time.time() + window, UTC))
        await asyncio.sleep(max(0.0, began + number / rate - time.time()))
    await pool.execute(SCHEDULED)


def _id(number: int) -> str:
    return f"{number:012}-01"
