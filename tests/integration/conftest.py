"""What the integration tests share."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support.apicurio import Apicurio
from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.topics import Topics
from worker.storage.migrate import migrate


@pytest.fixture
async def market(kafka: Kafka, topics: Topics, database: str) -> Market:
    await migrate(database)
    return Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Of the owner of a migrated database."""
    await migrate(database)
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def registry() -> AsyncIterator[Apicurio]:
    """A schema registry; who pauses it lets it go on."""
    apicurio = Apicurio()
    try:
        yield await apicurio.start()
    finally:
        await apicurio.close()
