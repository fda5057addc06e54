"""Where a scenario takes place: its parts, its workers, its faults, and the audit at its end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from tests.conftest import MakeTopics
from tests.end_to_end.audit import audit, unsettled
from tests.end_to_end.behaviours import BEHAVIOURS
from tests.end_to_end.reader import Event, Reader
from tests.end_to_end.world import MAX_RECORD_BYTES, World
from tests.support.apache_kafka import ApacheKafka
from tests.support.processes import ROOT, WorkerProcess
from tests.support.proxy import Proxy
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.dev.postgres import EmbeddedPostgres

WINDOW = timedelta(seconds=5)
GRACE = timedelta(seconds=1)
SETTINGS = {
    "brake_share": "1",
    # Some records that cannot be read name no order. The audit judges the others without them.
    "astray_refusals": "ignore",
    "stock_window": "PT5S",
    "grace": "PT1S",
    "max_record_bytes": str(MAX_RECORD_BYTES),
    "session_timeout": "PT3S",
    "drain_timeout": "PT10S",
    "database_timeout": "PT4S",
}

# The judge does not know that the deadline of a refused order is saved.
JUDGED = [name for name in BEHAVIOURS if name != "the order is unreadable at first"]

# As the worker sends it to Postgres; a test that waits for it in vain counts no strike.
COMMIT = b"COMMIT\0"

# A verdict that falls within this long of its time is on time: machines that run tests are busy.
ON_TIME = 2.0


@dataclass
class Fault:
    """When it began and when it ended, by the clock that Kafka stamps records with."""

    name: str
    began: datetime
    ended: datetime | None = None


@dataclass
class Stage:
    """The parts, and what was done to them."""

    kafka: ApacheKafka
    kafka_proxy: Proxy
    postgres: EmbeddedPostgres
    postgres_proxy: Proxy
    database: str
    new_worker: Callable[..., WorkerProcess]
    make_topics: MakeTopics
    workers: list[WorkerProcess] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def worker(self, topics: Topics, code: Path = ROOT, **more: str) -> WorkerProcess:
        """Start one more worker, behind both proxies; it is not ready yet."""
        behind = {
            "kafka_bootstrap_servers": f"127.0.0.1:{self.kafka_proxy.port}",
            "database_url": self.database_behind(self.postgres_proxy),
        }
        self.workers.append(self.new_worker(topics, code, **(SETTINGS | behind | more)).start())
        return self.workers[-1]

    async def ready_workers(self, topics: Topics, count: int, **more: str) -> list[WorkerProcess]:
        """Start so many and wait until all are ready."""
        started = [self.worker(topics, **more) for _ in range(count)]
        for worker in started:
            await worker.wait_ready()
        return started

    def database_behind(self, proxy: Proxy) -> str:
        """The address of the database by way of a proxy."""
        parts = urlsplit(self.database)
        return parts._replace(netloc=f"{parts.username}@127.0.0.1:{proxy.port}").geturl()

    async def execute(self, *statements: str) -> None:
        """Run statements in the database, past the proxy."""
        connection = await asyncpg.connect(self.database)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def value(self, query: str, *arguments: object) -> Any:
        """One value from the database, past the proxy."""
        connection = await asyncpg.connect(self.database)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    @asynccontextmanager
    async def fault(self, name: str) -> AsyncIterator[None]:
        """Note when a fault begins and ends: recovery is counted from its end."""
        noted = Fault(name, datetime.now(UTC))
        self.faults.append(noted)
        try:
            yield
        finally:
            noted.ended = datetime.now(UTC)

    def strike(self, name: str) -> None:
        """Note a fault without duration, such as a crash."""
        now = datetime.now(UTC)
        self.faults.append(Fault(name, now, now))

    @asynccontextmanager
    async def publishing(self, world: World) -> AsyncIterator[Reader]:
        """The world publishes while the body runs; on leaving, all is published and settled."""
        bootstrap = self.kafka.bootstrap_servers
        topics = world.topics
        world.idempotence = True
        async with Reader(bootstrap, topics.decisions, topics.dead_letters) as reader:
            task = asyncio.create_task(world.publish(bootstrap, reader.first_seen))
            try:
                yield reader
                await task
                await self.settle(world, reader)
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def settle(self, world: World, reader: Reader) -> None:
        """Wait for every verdict, or give up; then stop the workers and read to the end."""
        await self.settle_without_stopping(world, reader)
        await self.stop()
        await reader.catch_up()

    async def settle_without_stopping(
        self, world: World, reader: Reader, timeout: float = 45.0
    ) -> None:
        """Wait for every verdict, or give up."""
        last_due = max(order.entered_at for order in world.orders.values()) + WINDOW + GRACE
        end = max(last_due, world.last_stored_at) + timedelta(seconds=2)
        with suppress(AssertionError):  # the audit says what is missing
            await eventually(
                lambda: datetime.now(UTC) > end and not unsettled(world, reader),
                timeout,
                interval=0.5,
            )

    async def stop(self) -> None:
        """Stop every worker in order: nothing may come after it."""
        for worker in self.workers:
            if worker.alive:
                assert await worker.sigterm() == 0, worker.output[-2000:]

    def judge(self, world: World, reader: Reader, *, repeats_allowed: bool = False) -> None:
        """Print the audit and the recovery times, and fail unless the audit is clean."""
        found = audit(world, reader, repeats_allowed=repeats_allowed)
        print(found)
        for line in self.recoveries(world, reader):
            print(line)
        found.check()
        for worker in self.workers:
            # The Kafka client's own tasks: one that is gone shows as silence, not as an error.
            assert "Unexpected error in" not in worker.output

    def lateness(self, world: World, reader: Reader) -> list[float]:
        """Of the first verdict of each order: the seconds after its time."""
        return [
            (event.stored_at - max(event.due + GRACE, created)).total_seconds()
            for event in _firsts(reader)
            if (created := world.orders[event.order_id].created_at) is not None
        ]

    def recoveries(self, world: World, reader: Reader) -> list[str]:
        """Of every kind of fault: how long after its end the last verdict came that was late."""
        late = [
            event.stored_at
            for event in _firsts(reader)
            if (created := world.orders[event.order_id].created_at) is not None
            and (event.stored_at - max(event.due + GRACE, created)).total_seconds() > ON_TIME
        ]
        times: dict[str, list[float]] = {}
        for fault, following in zip(self.faults, [*self.faults[1:], None], strict=True):
            assert fault.ended is not None
            own = [
                (at - fault.ended).total_seconds()
                for at in late
                if at > fault.began and (following is None or at < following.began)
            ]
            times.setdefault(fault.name, []).append(max([0.0, *own]))
        return [
            f"recovery: {name}, {len(seconds)} in all: median {median(seconds):.1f} s, "
            f"most {max(seconds):.1f} s, after the last {seconds[-1]:.1f} s"
            for name, seconds in times.items()
        ]


def _firsts(reader: Reader) -> list[Event]:
    """The first verdict of each order."""
    first: dict[str, Event] = {}
    for event in reader.events:
        first.setdefault(event.order_id, event)
    return [*first.values()]
