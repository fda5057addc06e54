"""How soon: from the call that publishes to the commit, and from the deadline to the verdict."""

import asyncio
from datetime import timedelta
from itertools import count

import asyncpg
from aiokafka import TopicPartition

from tests.support.topics import Topics
from tests.support.waiting import eventually

from .ingestion import POSITIONS, reached
from .mix import created, mix
from .pace import paced, planned
from .site import FAR_LIMITS, WIDTH, Site
from .verdicts import read, wait_for_verdicts

GRACE = timedelta(seconds=1)
WARM_UP = timedelta(seconds=5)  # for statements to be prepared, and the broker to be compiled
SHORT = {**FAR_LIMITS, "stock_window": "PT5S", "grace": "PT1S"}

# The instant at which the commit was written; its flush to disk follows.
COMMITTED = """
SELECT topic, partition, "offset", pg_xact_commit_timestamp(xmin) AS committed_at FROM acts
"""


async def latency(site: Site, rate: float, seconds: float = 20.0) -> list[float]:
    """Seconds from the append in Kafka to the commit in Postgres, at so many events a second."""
    async with (
        site.topics() as topics,
        site.database() as url,
        site.workers(topics, url) as (worker,),
    ):
        await worker.wait_ready()
        slots = planned(topics, lambda clock: mix(clock=clock), rate, seconds)
        await paced(site, slots)
        connection = await asyncpg.connect(url)
        try:
            await eventually(lambda: reached(connection, POSITIONS, round(rate * seconds)), 60)
            rows = await connection.fetch(COMMITTED)
        finally:
            await connection.close()
        names = topics.order_created, topics.order_status_changed
        appended = {
            (r.topic, r.partition, r.offset): r.timestamp / 1000
            for r in await read(site, [TopicPartition(n, p) for n in names for p in range(WIDTH)])
        }
        since = min(appended.values()) + WARM_UP.total_seconds()
        return [
            committed_at.timestamp() - appended[place]
            for *place_, committed_at in rows
            if appended[place := tuple(place_)] >= since
        ]


async def lateness(site: Site, rate: float = 50.0, seconds: float = 20.0) -> list[float]:
    """Seconds from ``due + grace`` to the verdict in its topic, with little to do."""
    async with (
        site.topics() as topics,
        site.database() as url,
        site.workers(topics, url, **SHORT) as (worker,),
    ):
        await worker.wait_ready()
        return await late(site, topics, rate, seconds)


async def take_over(site: Site, *, crash: bool) -> float:
    """Seconds by which the latest verdict is late when one of two workers goes."""
    async with (
        site.topics() as topics,
        site.database() as url,
        site.workers(topics, url, 2, **SHORT) as workers,
    ):
        for worker in workers:
            await worker.wait_ready()
        published = asyncio.create_task(late(site, topics, 50.0, 30.0))
        await asyncio.sleep(10)
        first = workers.pop(0)
        if crash:
            first.sigkill()
        else:
            assert await first.sigterm() == 0
        return round(max(await published), 2)


async def late(site: Site, topics: Topics, rate: float, seconds: float) -> list[float]:
    """Publish silent orders and wait for their verdicts: how late each was, but for the first."""
    make = lambda clock: (created(2, number, clock()) for number in count())  # noqa: E731
    await paced(site, planned(topics, make, rate, seconds))
    verdicts = await wait_for_verdicts(site, topics, round(rate * seconds), 60)
    since = min(one.due for one in verdicts) + WARM_UP
    return [
        (one.stored_at - one.due - GRACE).total_seconds() for one in verdicts if one.due >= since
    ]
