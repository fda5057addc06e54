"""Events a second from a backlog in Kafka to what is stored for good."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from tests.support.topics import Topics

from .meter import Bill, Meter
from .persistence import PROGRESS, SCHEMA
from .shares import held
from .site import Site

POSITIONS = "SELECT coalesce(sum(next_offset), 0)::bigint FROM positions"
REFUSED = "SELECT count(*) FROM dead_letters"
START_TIMEOUT = 60.0
DAY_MS = "86400000"

# How many events are stored.
Progress = Callable[[], Awaitable[int]]


@dataclass(frozen=True)
class Ingestion:
    """Events a second, RSS of the largest process in MiB, and what each event cost."""

    per_s: float
    rss_mib: float
    bill: Bill


async def peer(
    site: Site, topics: Topics, events: int, seconds: float, command: Sequence[str]
) -> Ingestion:
    """A stream processor of others that writes to Postgres."""
    async with site.database() as url:
        connection = await asyncpg.connect(url)
        await connection.execute(SCHEMA)
        await connection.close()
        with site.peer(topics, url, command) as running:
            async with rows(url, PROGRESS) as progress:
                return await measure(site, url, progress, events, seconds, [running.pid])


async def streams(
    site: Site, topics: Topics, events: int, seconds: float, command: Sequence[str]
) -> Ingestion:
    """Kafka Streams, whose progress is what its group has committed.

    A quarter of the backlog does not count, since Java compiles the program meanwhile.
    """
    async with site.database() as url:
        with site.peer(topics, url, command, window_ms=DAY_MS) as running:
            async with committed(site, running.group) as progress:
                pids, warm = [running.pid], events // 4
                return await measure(
                    site, url, progress, events, seconds, pids, running.state, warm
                )


async def plazo(
    site: Site,
    topics: Topics,
    events: int,
    seconds: float,
    workers: int = 1,
    share: float | None = None,
    **settings: str,
) -> Ingestion:
    """So many workers with these settings, each held to a share of a core if there is one.

    Raises:
        NoShares: this machine cannot.
    """
    async with site.database() as url, site.workers(topics, url, workers, **settings) as processes:
        pids = [process.pid for process in processes]
        with held(pids, share) if share else nullcontext():
            async with rows(url, POSITIONS) as progress:
                found = await measure(site, url, progress, events, seconds, pids)
        connection = await asyncpg.connect(url)
        assert await connection.fetchval(REFUSED) == 0, "it measured how records are refused"
        await connection.close()
        return found


async def reached(connection: asyncpg.Connection, question: str, wanted: int) -> bool:
    """Whether the database has come so far."""
    return bool(await connection.fetchval(question) >= wanted)


@asynccontextmanager
async def rows(url: str, question: str) -> AsyncIterator[Progress]:
    """What the database answers."""
    connection = await asyncpg.connect(url)
    try:
        yield lambda: connection.fetchval(question)
    finally:
        await connection.close()


@asynccontextmanager
async def committed(site: Site, group: str) -> AsyncIterator[Progress]:
    """The offsets of a consumer group."""
    admin = AIOKafkaAdminClient(bootstrap_servers=site.kafka.bootstrap_servers)
    await admin.start()

    async def progress() -> int:
        try:
            found = await admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:  # the first group of a new broker
            return 0
        return sum(max(0, one.offset) for one in found.values())

    try:
        yield progress
    finally:
        await admin.close()


async def measure(
    site: Site,
    url: str,
    progress: Progress,
    events: int,
    seconds: float,
    pids: Sequence[int],
    state: Path | None = None,
    warm: int = 1,
) -> Ingestion:
    """From the first commit that is seen, of so many events, to the last, or for so long."""
    began, rss, first = time.perf_counter(), 0.0, 0
    while first < warm:
        assert time.perf_counter() - began < START_TIMEOUT, f"{first} events in a minute"
        await asyncio.sleep(0.05)
        first = await progress()
    started, meter = time.perf_counter(), await Meter.start(site, url, pids, state)
    while True:
        done, now = await progress(), time.perf_counter()
        rss = max(rss, meter.rss_mib())
        if done >= events or now - started > seconds:
            return Ingestion((done - first) / (now - started), rss, await meter.bill(done - first))
        await asyncio.sleep(0.05)
