"""What Postgres takes from one Python process: no Kafka, no validation, no promise."""

import json
from collections.abc import Iterable
from itertools import islice
from time import perf_counter, process_time

import asyncpg

from .ingestion import Ingestion
from .meter import Meter
from .mix import Event, mix
from .persistence import EVENT_COLUMNS, SCHEMA, UPSERT_ORDERS
from .site import Site

BATCH = 2_000


async def raw_copy(site: Site, events: int) -> Ingestion:
    """Events a second, copied into one table and nothing else."""
    return await _timed(site, events, upsert=False)


async def bare_loop(site: Site, events: int) -> Ingestion:
    """Events a second, copied, with an upsert of their orders in the same transaction."""
    return await _timed(site, events, upsert=True)


async def _timed(site: Site, count: int, *, upsert: bool) -> Ingestion:
    events = list(islice(mix(), count))
    sellers = {e.order_id: json.loads(e.value)["seller_id"] for e in events if e.created}
    async with site.database() as url:
        connection = await asyncpg.connect(url)
        await connection.execute(SCHEMA)
        meter, ours, began = await Meter.start(site, url, []), process_time(), perf_counter()
        for first in range(0, count, BATCH):
            batch = events[first : first + BATCH]
            async with connection.transaction():
                rows = [(e.order_id, _status(e), e.at, e.value.decode()) for e in batch]
                await connection.copy_records_to_table(
                    "bench_events", columns=EVENT_COLUMNS, records=rows
                )
                if upsert:
                    await connection.execute(UPSERT_ORDERS, *_orders(batch, sellers))
        per_s, ours = count / (perf_counter() - began), process_time() - ours
        # What a process of its own would have spent.
        bill = await meter.bill(count)
        bill.cpu_us["worker"] = round(1e6 * ours / count, 1)
        await connection.close()
    return Ingestion(per_s, 0.0, bill)


def _status(event: Event) -> str:
    return "order-created" if event.created else "start-handling"


def _orders(batch: Iterable[Event], sellers: dict[str, str]) -> list[list[object]]:
    # One statement may touch a row once.
    latest = {e.order_id: (e.order_id, sellers[e.order_id], _status(e), e.at) for e in batch}
    return [list(column) for column in zip(*latest.values(), strict=True)]
