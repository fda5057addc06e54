"""The same work with ten thousand, a million and ten million open orders."""

import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

import asyncpg

from tests.support.topics import Topics
from worker.storage.migrate import migrate

from . import ingestion
from .mix import created
from .site import FAR_LIMITS, WIDTH, Site
from .verdicts import wait_for_verdicts

# More than can be decided in the second over which they lapse, or it would be waiting that counts.
LAPSING = 100_000
SPREAD = timedelta(seconds=1)
GRACE = timedelta(seconds=1)

# As the worker would have written them: an order, its deadline a day ahead, and its first act.
LOAD = """
INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at, policy,
    at_lapse, total, currency, topic, partition, "offset", received_at)
SELECT lpad(n::text, 12, '0') || '-99', n % {width}, 'seller-' || n % 5000, 'courier', now(),
    now() + interval '1 day', now() + interval '1 day 1 minute' + n * interval '1 millisecond',
    'default', 'auto-cancel', 120, 'PEN', 'loaded', n % {width}, n, now()
FROM generate_series(1, {open_orders}) AS n;
"""
DEADLINES = """
INSERT INTO deadlines SELECT lane, fires_at, order_id FROM orders WHERE topic = 'loaded'
ORDER BY lane, fires_at, order_id
"""
ACTS = """
INSERT INTO acts (order_id, status, occurred_at, received_at, topic, partition, "offset", body)
SELECT order_id, 'order-created', entered_at, received_at, topic, partition, "offset",
    '{"order_id": "' || order_id || '", "lines": "' || repeat('x', 200) || '"}'
FROM orders WHERE topic = 'loaded'
"""


@dataclass(frozen=True)
class Cost:
    """Of one event and one verdict in microseconds, of a start in seconds; RSS in MiB."""

    open_orders: int
    apply_us: float
    decide_us: float
    start_s: float
    rss_mib: float


async def costs(
    site: Site, topics: Topics, sizes: Sequence[int], events: int, rounds: int
) -> list[Cost]:
    """For each number of open orders the medians of rounds in turn, each on a fresh copy."""
    seen: dict[int, list[Cost]] = {size: [] for size in sizes}
    async with AsyncExitStack() as stack:
        loaded = {size: await stack.enter_async_context(site.database()) for size in sizes}
        for size, url in loaded.items():
            await migrate(url)
            await _load(url, size)
        for _ in range(rounds):
            for size, like in loaded.items():
                async with site.database(like) as url:
                    seen[size].append(await _cost(site, topics, url, size, events))
                print(seen[size][-1], file=sys.stderr, flush=True)
    return [_median(runs) for runs in seen.values()]


def _median(runs: Sequence[Cost]) -> Cost:
    return Cost(*(median(values) for values in zip(*map(astuple, runs), strict=True)))


async def _cost(site: Site, topics: Topics, url: str, open_orders: int, events: int) -> Cost:
    """Read events, and let some orders lapse."""
    async with (
        site.workers(topics, url) as (worker,),
        ingestion.rows(url, ingestion.POSITIONS) as progress,
    ):
        read = await ingestion.measure(site, url, progress, events, 60, [worker.pid])
    async with (
        site.topics() as lapsing,
        site.workers(lapsing, url, grace="PT1S", **FAR_LIMITS) as (worker,),
    ):
        began = time.perf_counter()
        await worker.wait_ready()
        started = time.perf_counter() - began
        fires = datetime.now(UTC) + timedelta(seconds=20)
        entered = fires - GRACE - timedelta(days=1)
        orders = [
            created(4, number, entered + number / LAPSING * SPREAD) for number in range(LAPSING)
        ]
        site.publish(lapsing, orders)
        verdicts = await wait_for_verdicts(site, lapsing, LAPSING, 90)
        decided = max(one.stored_at for one in verdicts) - fires
    return Cost(
        open_orders,
        round(1e6 / read.per_s, 1),
        round(1e6 * decided.total_seconds() / LAPSING, 1),
        round(started, 2),
        round(read.rss_mib, 1),
    )


async def _load(url: str, open_orders: int) -> None:
    connection = await asyncpg.connect(url, command_timeout=1800)
    try:
        await connection.execute("SET synchronous_commit = off")
        await connection.execute(LOAD.format(width=WIDTH, open_orders=open_orders))
        await connection.execute(DEADLINES)
        await connection.execute(ACTS)
        for table in ("orders", "deadlines", "acts"):
            await connection.execute(f"VACUUM (ANALYZE) {table}")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def flat(costs: list[Cost]) -> dict[str, float]:
    """Each cost with the most open orders over the same with the fewest."""
    few, many = asdict(costs[0]), asdict(costs[-1])
    return {name: round(many[name] / few[name], 2) for name in ("apply_us", "decide_us", "start_s")}
