"""What few installations have: records of 100 KB, and two hundred lanes for one worker."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

from . import ingestion
from .mix import Event, created
from .site import WIDTH, Site

LARGE = 100_000
# About 300 MB.
RECORDS = 3_000
LANES = 200
LINE = {"sku": "SKU-1", "quantity": 1, "unit_price": "10.90", "name": "x" * 120}


async def large_records(site: Site, partitions: int) -> float:
    """Megabytes a second of orders of 100 KB with hundreds of lines, from so many partitions."""
    events = [_large(number) for number in range(RECORDS)]
    size = sum(len(event.value) for event in events) / 1e6
    async with site.topics(width=partitions) as topics:
        await asyncio.to_thread(site.publish, topics, events)
        found = await ingestion.plazo(site, topics, RECORDS, 60.0)
    return round(found.per_s * size / RECORDS, 1)


async def start(site: Site, lanes: int = LANES) -> float:
    """Seconds from the start of a worker's process until it is ready with so many lanes."""
    # The first member ever makes Kafka create its own topic of groups, which takes seconds.
    async with (
        site.topics() as topics,
        site.database() as url,
        site.workers(topics, url) as (worker,),
    ):
        await worker.wait_ready()
    async with site.topics(width=lanes) as topics, site.database() as url:
        began = time.perf_counter()
        async with site.workers(topics, url) as (worker,):
            await worker.wait_ready(180)
            return round(time.perf_counter() - began, 1)


async def all_of_them(site: Site) -> dict[str, float]:
    """The figures by their names in ``latest.json``."""
    return {
        "large_records_mb_per_s": await large_records(site, WIDTH),
        "large_records_of_one_partition_mb_per_s": await large_records(site, 1),
        "start_200_lanes_s": await start(site),
    }


def _large(number: int) -> Event:
    # Recent, and no tolerance of the clock is needed.
    event = created(2, number, datetime.now(UTC) - timedelta(hours=3))
    body = json.loads(event.value)
    count = (LARGE - len(event.value)) // len(json.dumps(LINE))
    body["lines"] = [{**LINE, "sku": f"SKU-{number}-{line}"} for line in range(count)]
    return event._replace(value=json.dumps(body).encode())
