"""Where the benchmarks run: one Apache Kafka, one Postgres with durable commits, loaded topics."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
from confluent_kafka import Producer

from tests.support.apache_kafka import ApacheKafka
from tests.support.processes import ROOT, WorkerProcess
from tests.support.topics import Topics, create_fresh_topics, delete_topics
from worker.dev.postgres import EmbeddedPostgres
from worker.storage.migrate import migrate

from .mix import Event, mix

WIDTH = 12
POSTGRES = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "synchronous_commit": "on",
    "track_commit_timestamp": "on",
}

# The brake is on, with limits that nothing here reaches: most orders of a benchmark are silent.
FAR_LIMITS = {"brake_cancels": "1000000", "brake_share": "1"}


class Peer:
    """A running program of others: its group, and where it keeps its state."""

    process: subprocess.Popen[bytes]

    def __init__(self, directory: Path) -> None:
        self.group = uuid.uuid4().hex
        self.state = directory / "state"
        self.ready = directory / "ready"  # a file that it may make when it is
        self.log = directory / "log"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid


@dataclass
class Site:
    """The parts, and a directory for what processes print."""

    kafka: ApacheKafka
    postgres: EmbeddedPostgres
    directory: Path

    @asynccontextmanager
    async def database(self, like: str = "template1") -> AsyncIterator[str]:
        """Address of a new database, dropped in the end; ``like`` another, by address or name."""
        name, template = f"bench_{uuid.uuid4().hex[:8]}", like.rpartition("/")[2]
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield self.postgres.url_of(name)
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")
            await self._execute("CHECKPOINT")  # so that nobody pays for the one before

    @asynccontextmanager
    async def topics(self, events: int = 0, width: int = WIDTH) -> AsyncIterator[Topics]:
        """New topics that hold so many events of the mix, deleted in the end."""
        topics = await create_fresh_topics(self.kafka.bootstrap_servers, width, width)
        await asyncio.to_thread(self.publish, topics, islice(mix(), events))
        try:
            yield topics
        finally:
            # Or else the next needs memory anew, which a virtual machine may get slowly.
            await delete_topics(self.kafka.bootstrap_servers, topics)

    def publish(self, topics: Topics, events: Iterable[Event]) -> None:
        """Append all and wait until they are acknowledged."""
        producer = self.producer()
        for event in events:
            send(producer, topics, event)
        assert producer.flush(60) == 0

    def producer(self) -> Producer:
        """A client that takes little of the two cores."""
        return Producer(
            {
                "bootstrap.servers": self.kafka.bootstrap_servers,
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,
            }
        )

    def worker(self, topics: Topics, url: str, group: str, **variables: str) -> WorkerProcess:
        """A worker with every default, as a process of its own."""
        environment = {
            "PLAZO_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "PLAZO_DATABASE_URL": url,
            "PLAZO_GROUP_ID": group,
            "PLAZO_LOG_LEVEL": "warning",
            **topics.environment(),
            **{f"PLAZO_{name.upper()}": value for name, value in variables.items()},
        }
        return WorkerProcess(self.directory, environment, name=uuid.uuid4().hex[:8])

    @asynccontextmanager
    async def workers(
        self, topics: Topics, url: str, count: int = 1, **variables: str
    ) -> AsyncIterator[list[WorkerProcess]]:
        """So many of one group on a migrated database, started and stopped."""
        await migrate(url)
        group = uuid.uuid4().hex
        workers = [self.worker(topics, url, group, **variables).start() for _ in range(count)]
        try:
            yield workers
            for worker in workers:
                assert await worker.sigterm() == 0, worker.output[-4000:]
        finally:
            for worker in workers:
                worker.kill_if_alive()

    @contextmanager
    def peer(
        self, topics: Topics, url: str, command: Sequence[str], **variables: str
    ) -> Iterator[Peer]:
        """A program of others as a process of its own; ``day=1`` sets ``BENCH_DAY``."""
        directory = self.directory / uuid.uuid4().hex[:8]
        directory.mkdir()
        peer = Peer(directory)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "BENCH_BOOTSTRAP": self.kafka.bootstrap_servers,
            "BENCH_DATABASE_URL": url,
            "BENCH_GROUP": peer.group,
            "BENCH_CREATED": topics.order_created,
            "BENCH_CHANGED": topics.order_status_changed,
            "BENCH_DECISIONS": topics.decisions,
            "BENCH_STATE": str(peer.state),
            "BENCH_READY": str(peer.ready),
            **{f"BENCH_{name.upper()}": value for name, value in variables.items()},
        }
        with peer.log.open("wb") as log:
            peer.process = subprocess.Popen(
                command, env=environment, cwd=directory, stdout=log, stderr=log
            )
        try:
            yield peer
        except Exception as error:
            error.add_note(peer.log.read_text(errors="replace")[-2000:])
            raise
        finally:
            peer.process.kill()
            peer.process.wait()
            shutil.rmtree(directory)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.postgres.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def send(producer: Producer, topics: Topics, event: Event) -> None:
    """Hand one event to a producer; it waits when its queue is full."""
    topic = topics.order_created if event.created else topics.order_status_changed
    headers: Any = event.headers
    while True:
        try:
            producer.produce(topic, event.value, event.order_id.encode(), headers=headers)
            break
        except BufferError:
            producer.poll(0.1)
    producer.poll(0)


@asynccontextmanager
async def site(settings: Mapping[str, str | int] | None = None) -> AsyncIterator[Site]:
    """Start the parts; all is gone in the end."""
    with tempfile.TemporaryDirectory(prefix="plazo-bench-") as name:
        postgres = EmbeddedPostgres(settings={**POSTGRES, **(settings or {})}, trust=True)
        # The broker's clock says when a verdict stood in its topic.
        kafka_settings = {
            "log.message.timestamp.type": "LogAppendTime",
            "log.segment.delete.delay.ms": "1000",
        }
        async with ApacheKafka(kafka_settings) as kafka, postgres:
            yield Site(kafka, postgres, Path(name))
