"""One installation for each test of commands."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from tests.support.commands import Plazo, Upstream
from tests.support.parts import Kafka
from tests.support.topics import Topics


@pytest.fixture
async def new(kafka: Kafka, database: str, topics: Topics, tmp_path: Path) -> AsyncIterator[Plazo]:
    """An installation whose database is still empty."""
    plazo = Plazo(kafka, database, topics, tmp_path)
    yield plazo
    plazo.end()


@pytest.fixture
async def plazo(new: Plazo) -> Plazo:
    assert (await new("migrate")).code == 0
    return new


@pytest.fixture
async def producer(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    client = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, enable_idempotence=kafka.idempotence
    )
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
def upstream(producer: AIOKafkaProducer, topics: Topics) -> Upstream:
    return Upstream(producer, topics)
