"""Parts for the tests with the programs that stand beside the worker: `make surroundings`."""

import pytest

from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.topics import Topics
from worker.storage.migrate import migrate


@pytest.fixture
async def market(kafka: Kafka, topics: Topics, database: str) -> Market:
    await migrate(database)
    return Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
