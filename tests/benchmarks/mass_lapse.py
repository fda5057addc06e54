"""Very many orders due in the same second, while events go on coming."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from tests.support.waiting import eventually

from .histogram import percentile
from .ingestion import POSITIONS, reached
from .mix import created, mix
from .pace import Published, paced, planned
from .site import FAR_LIMITS, Site
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
    window = timedelta(seconds=40 + orders / 5_000)
    async with (
        site.topics() as topics,
        site.database() as url,
        site.workers(
            topics,
            url,
            stock_window=f"PT{window.total_seconds():.0f}S",
            grace="PT1S",
            **FAR_LIMITS,
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

        start, published = fires - timedelta(seconds=AHEAD), Published()
        slots = planned(topics, lambda clock: mix(3, clock), rate, BURST, start)
        publishing = asyncio.create_task(paced(site, slots, published))
        lags: list[int] = []
        while not publishing.done():
            await asyncio.sleep(0.25)
            lags.append(published.events + orders - await connection.fetchval(POSITIONS))
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
