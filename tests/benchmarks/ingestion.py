"""Events a second from a backlog in Kafka to committed rows."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass

import asyncpg
import psutil

from tests.support.topics import Topics

from .persistence import PROGRESS, SCHEMA
from .shares import held
from .site import Site

POSITIONS = "SELECT coalesce(sum(next_offset), 0)::bigint FROM positions"
REFUSED = "SELECT count(*) FROM dead_letters"
START_TIMEOUT = 60.0


@dataclass(frozen=True)
class Ingestion:
    """Events a second, RSS of the largest process in MiB, and CPU time of each event in µs."""

    per_s: float
    rss_mib: float
    cpu_us: dict[str, float]


async def peer(site: Site, topics: Topics, events: int, seconds: float, *command: str) -> Ingestion:
    """A stream processor of others."""
    async with site.database() as url:
        connection = await asyncpg.connect(url)
        await connection.execute(SCHEMA)
        await connection.close()
        with site.peer(topics, url, *command) as pid:
            return await measure(site, url, PROGRESS, events, seconds, [pid])


async def plazo(
    site: Site,
    topics: Topics,
    events: int,
    seconds: float,
    workers: int = 1,
    share: float | None = None,
) -> Ingestion:
    """So many workers together, each held to a share of a core if there is one.

    Raises:
        NoShares: this machine cannot.
    """
    async with site.database() as url, site.workers(topics, url, workers) as processes:
        pids = [process.pid for process in processes]
        with held(pids, share) if share else nullcontext():
            found = await measure(site, url, POSITIONS, events, seconds, pids)
        connection = await asyncpg.connect(url)
        assert await connection.fetchval(REFUSED) == 0, "it measured how records are refused"
        await connection.close()
        return found


async def reached(connection: asyncpg.Connection, question: str, wanted: int) -> bool:
    """Whether the database has come so far."""
    return bool(await connection.fetchval(question) >= wanted)


async def measure(
    site: Site, url: str, progress: str, events: int, seconds: float, pids: Sequence[int]
) -> Ingestion:
    """From the first commit that is seen to the last event, or for so long."""
    connection = await asyncpg.connect(url)
    processes = [psutil.Process(pid) for pid in pids]
    parts = {
        "worker": processes,
        "postgres": [psutil.Process(site.postgres.pid)],
        "kafka": [psutil.Process(site.kafka.pid)],
    }
    try:
        began, first, rss = time.perf_counter(), 0, 0
        while True:
            done = await connection.fetchval(progress)
            now = time.perf_counter()
            rss = max(rss, *(process.memory_info().rss for process in processes))
            if not first:
                assert now - began < START_TIMEOUT, "nothing was ever committed"
                first, started, before = done, now, _cpu_seconds(parts)
            elif done >= events or now - started > seconds:
                spent = _cpu_seconds(parts)
                cpu = {n: round(1e6 * (spent[n] - before[n]) / (done - first), 1) for n in parts}
                return Ingestion((done - first) / (now - started), rss / 2**20, cpu)
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


def _cpu_seconds(parts: dict[str, list[psutil.Process]]) -> dict[str, float]:
    return {name: sum(map(_tree_seconds, processes)) for name, processes in parts.items()}


def _tree_seconds(root: psutil.Process) -> float:
    """Of a process, its children, and those that it has outlived."""
    seconds = 0.0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # its parent has counted it
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
