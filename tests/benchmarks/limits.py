"""What Postgres takes from one Python process: no Kafka, no validation, no promise."""

import json
import time
from collections.abc import Iterable
from itertools import islice

import asyncpg

from .mix import Event, mix
from .persistence import EVENT_COLUMNS, SCHEMA, UPSERT_ORDERS

BATCH = 2_000


async def raw_copy(url: str, events: int) -> float:
    """Events a second, copied into one table and nothing else."""
    return await _timed(url, events, upsert=False)


async def bare_loop(url: str, events: int) -> float:
    """Events a second, copied, with an upsert of their orders in the same transaction."""
    return await _timed(url, events, upsert=True)


async def _timed(url: str, count: int, *, upsert: bool) -> float:
    events = list(islice(mix(), count))
    sellers = {e.order_id: json.loads(e.value)["seller_id"] for e in events if e.created}
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(SCHEMA)
        began = time.perf_counter()
        for first in range(0, count, BATCH):
            batch = events[first : first + BATCH]
            async with connection.transaction():
                rows = [(e.order_id, _status(e), e.at, e.value.decode()) for e in batch]
                await connection.copy_records_to_table(
                    "bench_events", columns=EVENT_COLUMNS, records=rows
                )
                if upsert:
                    await connection.execute(UPSERT_ORDERS, *_orders(batch, sellers))
        return count / (time.perf_counter() - began)
    finally:
        await connection.close()


def _status(event: Event) -> str:
    return "order-created" if event.created else "start-handling"


def _orders(batch: Iterable[Event], sellers: dict[str, str]) -> list[list[object]]:
    # One statement may touch a row once.
    latest = {e.order_id: (e.order_id, sellers[e.order_id], _status(e), e.at) for e in batch}
    return [list(column) for column in zip(*latest.values(), strict=True)]
