"""Questions about the logs: they have no effect on them, and none waits for a second try."""

import time
import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.consumer.fetcher import Fetcher

from tests.support.apache_kafka import ApacheKafka
from tests.support.topics import create_fresh_topics
from worker.errors import KafkaUnavailable
from worker.kafka.offsets import OffsetReader
from worker.settings import Settings


@pytest.fixture
async def creating() -> AsyncIterator[ApacheKafka]:
    async with ApacheKafka({"auto.create.topics.enable": "true"}) as broker:
        yield broker


@pytest.mark.apache_kafka
async def test_a_question_about_a_deleted_topic_does_not_create_it(creating: ApacheKafka) -> None:
    """It would come back empty, with one partition, and its lanes would take it for the input."""
    name = f"gone-{uuid.uuid4().hex[:8]}"
    settings = Settings(
        kafka_bootstrap_servers=creating.bootstrap_servers,
        order_created_topic=name,
        order_status_changed_topic=f"{name}-too",
    )
    reader = OffsetReader(settings)
    with pytest.raises(KafkaUnavailable, match="no such topic"):
        await reader.ends()
    assert await reader.widths([name]) == {}
    await reader.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=creating.bootstrap_servers)
    await admin.start()
    try:
        assert not [topic for topic in await admin.list_topics() if topic.startswith(name)]
    finally:
        await admin.close()


@pytest.mark.apache_kafka
async def test_the_first_question_about_a_log_is_answered_at_once(
    creating: ApacheKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that does not know the leader tries again, after a sleep for each topic."""
    topics = await create_fresh_topics(creating.bootstrap_servers)
    settings = Settings(
        kafka_bootstrap_servers=creating.bootstrap_servers,
        order_created_topic=topics.order_created,
        order_status_changed_topic=topics.order_status_changed,
    )
    names = topics.order_created, topics.order_status_changed, topics.decisions
    logs = [(topic, number) for topic in names for number in range(topics.widths[topic])]
    warm = OffsetReader(settings)
    await warm.bounds(logs)  # until then, a new log may have no leader
    await warm.close()
    attempts, ask = 0, Fetcher._proc_offset_requests

    async def counted(fetcher: Fetcher, timestamps: object) -> object:
        nonlocal attempts
        attempts += 1
        return await ask(fetcher, timestamps)

    monkeypatch.setattr(Fetcher, "_proc_offset_requests", counted)
    for question, wanted in (
        (OffsetReader.ends, 1),
        (lambda reader: reader.bounds(logs), 3),
        (lambda reader: reader.tail(topics.decisions, 0, 10), 2),
    ):
        reader, attempts = OffsetReader(settings), 0
        await question(reader)
        assert attempts == wanted
        await reader.close()


@pytest.mark.apache_kafka
async def test_first_records_are_those_of_committed_transactions(creating: ApacheKafka) -> None:
    """Markers and records of aborted transactions are what a lane passes and never reads."""
    topics = await create_fresh_topics(creating.bootstrap_servers)
    log = topics.order_status_changed, 0
    producer = AIOKafkaProducer(
        bootstrap_servers=creating.bootstrap_servers, transactional_id=uuid.uuid4().hex
    )
    await producer.start()
    try:
        for commits in (True, False, False, True):  # a record and a marker each
            await producer.begin_transaction()
            await producer.send_and_wait(log[0], b"{}", partition=0)
            await (producer.commit_transaction() if commits else producer.abort_transaction())
    finally:
        await producer.stop()
    reader = OffsetReader(Settings(kafka_bootstrap_servers=creating.bootstrap_servers))
    try:
        began = time.monotonic()
        assert await reader.first_records({log: range(1, 6)}) == {}
        assert time.monotonic() - began < 5
        assert await reader.first_records({log: range(1, 7)}) == {log: 6}
        assert await reader.first_records({log: range(8)}) == {log: 0}
        assert await reader.first_records({log: range(7, 8)}) == {}
        assert await reader.first_records({}) == {}
        told = {offset: await reader.timestamps({log: offset}) for offset in range(8)}
        # A lane that finds a marker where it read a record has another log before it.
        assert {offset for offset, one in told.items() if one == {log: None}} == {1, 3, 5, 7}
        assert all(told[offset][log] for offset in (0, 2, 4, 6))
    finally:
        await reader.close()
