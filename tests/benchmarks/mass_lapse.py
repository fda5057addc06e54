"""Very many orders due in the same second, while events go on coming."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice

import asyncpg

from tests.support.topics import Topics
from tests.support.waiting import eventually

from .histogram import percentile
from .ingestion import POSITIONS, reached
from .mix import Event, created, mix
from .site import Site, send
from .verdicts import wait_for_verdicts

GRACE = timedelta(seconds=1)
AHEAD = 4.0  # so long before the lapse do the other events begin
BURST = 25.0  # and so long do they go on


@dataclass(frozen=True)
class MassLapse:
    """Verdicts a second; p99 of their lateness in ms; how far ingestion fell behind."""

    per_s: float
    lateness_p99_ms: float
    most_lag: int
    lag_after: int


async def mass_lapse(site: Site, orders: int, rate: float) -> MassLapse:
    """Let so many orders lapse, with other events coming at that many a second."""
    topics = await site.topics()
    window = timedelta(seconds=20 + orders / 5_000)
    async with (
        site.database() as url,
        site.workers(
            topics,
            url,
            stock_window=f"PT{window.total_seconds():.0f}S",
            grace="PT1S",
            brake_share="1",
        ) as (worker,),
    ):
        await worker.wait_ready()
        connection = await asyncpg.connect(url)
        began = datetime.now(UTC)
        lapsing = [
            created(2, number, began + timedelta(seconds=number / orders))
            for number in range(orders)
        ]
        await asyncio.to_thread(site.publish, topics, lapsing)
        await eventually(lambda: reached(connection, POSITIONS, orders), 60)
        fires = began + timedelta(seconds=round(window.total_seconds())) + GRACE

        events = _planned(fires - timedelta(seconds=AHEAD), rate)
        sent = [0]
        publishing = asyncio.create_task(asyncio.to_thread(_publish, site, topics, events, sent))
        lags: list[int] = []
        while not publishing.done():
            await asyncio.sleep(0.25)
            lags.append(sent[0] + orders - await connection.fetchval(POSITIONS))
        await publishing
        verdicts = await wait_for_verdicts(site, topics, orders, 60)
        await connection.close()
    asked_for = {event.order_id for event in lapsing}
    told = [one for one in verdicts if one.order_id in asked_for]
    assert len(told) == len(asked_for) == orders
    last = max(one.stored_at for one in told)
    late = [(one.stored_at - one.due - GRACE).total_seconds() for one in told]
    return MassLapse(
        orders / (last - fires).total_seconds(), percentile(late, 0.99), max(lags), lags[-1]
    )


def _planned(start: datetime, rate: float) -> list[Event]:
    # Made beforehand: to make them takes more of a core than to send them.
    numbers = count()
    clock = lambda: start + timedelta(seconds=next(numbers) / rate)  # noqa: E731
    return list(islice(mix(3, clock), round(rate * BURST)))


def _publish(site: Site, topics: Topics, events: list[Event], sent: list[int]) -> None:
    producer = site.producer()
    for number, event in enumerate(events):
        send(producer, topics, event)
        sent[0] = number + 1
        if number % 50 == 0:
            time.sleep(max(0.0, event.at.timestamp() - time.time()))
    assert producer.flush(30) == 0
