"""The support itself: what other tests rely on is tested once, here."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from confluent_kafka import Producer

from tests.conftest import MakeTopics
from tests.support.apache_kafka import ApacheKafka
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.dev.broker import EmbeddedBroker, brokers_known_to
from worker.dev.postgres import EmbeddedPostgres
from worker.dev.process import StartError, free_port
from worker.storage.faults import FAULTS

_DEBIAN_POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
async def producer(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    client = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, acks="all", enable_idempotence=kafka.idempotence
    )
    await client.start()
    yield client
    await client.stop()


async def read(kafka: Kafka, topic: str, partition: int, count: int) -> list[bytes | None]:
    """The values of the first records of a partition, straight from the broker."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers)
    await consumer.start()
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        await consumer.seek_to_beginning()
        async with asyncio.timeout(20):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_each_database_is_empty_and_its_own(database: str) -> None:
    connection = await asyncpg.connect(database)
    tables = await connection.fetch("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
    assert tables == []
    assert await connection.fetchval("SHOW fsync") == "on"
    await connection.close()


async def test_postgres_keeps_what_was_committed_before_a_crash(
    postgres: EmbeddedPostgres, database: str
) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    await postgres.kill9()
    try:
        with pytest.raises(FAULTS):
            await connection.fetchval("SELECT 1")
    finally:
        await postgres.restart()
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT n FROM kept") == 7
    await connection.close()


@pytest.mark.skipif(not _DEBIAN_POSTGRES_15.is_dir(), reason="no Postgres 15 here")
async def test_postgres_from_another_directory() -> None:
    async with EmbeddedPostgres(bin_dir=_DEBIAN_POSTGRES_15, fsync=False) as server:
        connection = await asyncpg.connect(server.url)
        assert connection.get_server_version().major == 15
        await connection.close()


async def test_postgres_lets_nobody_in_without_its_password() -> None:
    async with EmbeddedPostgres(fsync=False) as server:
        owner = await asyncpg.connect(server.url)
        await owner.close()
        parts = urlsplit(server.url)
        assert len(parts.password or "") > 20
        stranger = server.url.replace(f":{parts.password}@", "@")
        for url in (stranger, stranger.replace("postgres@", "postgres:postgres@")):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(url)
        await server.restart()
        await (await asyncpg.connect(server.url)).close()


async def test_postgres_says_why_it_does_not_start() -> None:
    broken = EmbeddedPostgres(fsync=False, settings={"max_connections": "none"})
    with pytest.raises(StartError, match="max_connections"):
        await broken.start()
    await broken.stop()


async def test_topics_are_fresh_and_as_wide_as_asked(
    kafka: Kafka, make_topics: MakeTopics, topics: Topics
) -> None:
    wide = await make_topics(created=4, status=2)
    names = [wide.order_created, wide.order_status_changed, wide.decisions, wide.dead_letters]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    seen = {
        topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics(names)
    }
    await admin.close()
    widths = [seen[name] for name in names]
    assert widths == [4, 2, 4, 1] == list(wide.widths.values())
    assert not set(wide.widths) & set(topics.widths)


async def test_records_keep_their_bytes_key_and_headers(
    kafka: Kafka, topics: Topics, producer: AIOKafkaProducer
) -> None:
    headers = [("ce_id", b"1"), ("ce_type", b"t")]
    sent = await producer.send_and_wait(
        topics.order_created, b"value", key=b"key", partition=2, headers=headers
    )
    assert (sent.partition, sent.offset) == (2, 0)
    assert await read(kafka, topics.order_created, 2, 1) == [b"value"]


@pytest.mark.apache_kafka
async def test_kafka_keeps_what_was_acknowledged_before_a_crash(
    kafka: ApacheKafka, topics: Topics, producer: AIOKafkaProducer
) -> None:
    await producer.send_and_wait(topics.decisions, b"before", partition=0)
    await kafka.kill9()
    assert await brokers_known_to(kafka.port) == 0
    await kafka.restart()
    await producer.send_and_wait(topics.decisions, b"after", partition=0)
    assert await read(kafka, topics.decisions, 0, 2) == [b"before", b"after"]


@pytest.mark.skipif(sys.platform != "linux", reason="the states of threads are read from /proc")
@pytest.mark.apache_kafka
async def test_a_paused_kafka_runs_no_thread_any_more(kafka: ApacheKafka) -> None:
    for _ in range(100):
        kafka.pause()
        try:
            states = _thread_states(kafka.pid)
        finally:
            kafka.resume()
        assert states == {"T"}
        await brokers_known_to(kafka.port)  # its threads are at work again


@pytest.mark.apache_kafka
async def test_a_paused_kafka_answers_nothing_until_resumed(
    kafka: ApacheKafka, topics: Topics, producer: AIOKafkaProducer
) -> None:
    await producer.send_and_wait(topics.decisions, b"1", partition=0)
    kafka.pause()
    try:
        sending = asyncio.ensure_future(producer.send_and_wait(topics.decisions, b"2", partition=0))
        finished, _ = await asyncio.wait([sending], timeout=1)
        assert not finished
    finally:
        kafka.resume()
    with suppress(KafkaError):
        await sending
    assert await read(kafka, topics.decisions, 0, 2) == [b"1", b"2"]


@pytest.mark.apache_kafka
async def test_an_open_transaction_of_librdkafka_hides_behind_the_high_watermark(
    kafka: ApacheKafka, topics: Topics
) -> None:
    """So freshness is proven by the high watermark: read_committed sees too low an end."""
    settings = {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": topics.decisions}
    other = Producer(settings)
    await asyncio.to_thread(other.init_transactions, 20)
    other.begin_transaction()
    other.produce(topics.order_created, b"open", partition=1)
    await asyncio.to_thread(other.flush, 20)
    place = TopicPartition(topics.order_created, 1)
    ends = {}
    for isolation in ("read_committed", "read_uncommitted"):
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers, isolation_level=isolation
        )
        await consumer.start()
        ends[isolation] = (await consumer.end_offsets([place]))[place]
        await consumer.stop()
    await asyncio.to_thread(other.abort_transaction, 20)
    assert ends == {"read_committed": 0, "read_uncommitted": 1}


async def test_embedded_broker_starts_answers_and_stops() -> None:
    async with EmbeddedBroker() as broker:
        assert await brokers_known_to(broker.port) == 1
    assert await brokers_known_to(broker.port) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a death")
async def test_parts_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = (
        "import asyncio, time\n"
        "from worker.dev.broker import EmbeddedBroker\n"
        "broker = asyncio.run(EmbeddedBroker().start())\n"
        "print(broker.port, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as parent:
        assert parent.stdout is not None
        port = int(await asyncio.to_thread(parent.stdout.readline))
        assert await brokers_known_to(port) == 1
        parent.kill()
    await eventually(lambda: _nobody_listens(port), 10, "the end of the orphaned broker")


async def _nobody_listens(port: int) -> bool:
    return await brokers_known_to(port) == 0


async def test_free_port_is_never_one_that_a_client_may_be_given() -> None:
    assert all(free_port() < 32_768 for _ in range(50))


async def test_eventually_returns_the_answer_or_says_what_it_waited_for() -> None:
    answers = iter([0, None, 3])
    assert await eventually(lambda: next(answers), 5) == 3

    async def never() -> bool:
        raise AssertionError("still 4 records short")

    with pytest.raises(AssertionError, match=r"the backlog.*still 4 records short"):
        await eventually(never, 0.1, "the backlog")


async def test_worker_process_is_signalled_and_its_output_kept(tmp_path: Path) -> None:
    process = WorkerProcess(tmp_path, {}, arguments=["--help"]).start()
    assert process.pid != os.getpid()
    await process.wait()
    assert process.exit_code is not None
    assert process.stdout_file.exists()
    assert process.stderr_file.exists()
    with pytest.raises(AssertionError, match="not ready: ended with exit code"):
        await process.start().wait_ready(20)
    process.start().sigkill()
    assert process.exit_code == -signal.SIGKILL


def _thread_states(pid: int) -> set[str]:
    """The kernel's letters for what the threads do: R runs, S sleeps, T is stopped."""
    tasks = Path(f"/proc/{pid}/task").glob("*/stat")
    return {task.read_text().rpartition(")")[2].split()[0] for task in tasks}
