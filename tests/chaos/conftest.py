"""Parts for the chaos scenarios: Kafka and Postgres as elsewhere, with a proxy before each.

Nothing here is collected unless a path in this directory is named: `make chaos`.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import MakeTopics
from tests.support.apache_kafka import ApacheKafka
from tests.support.processes import WorkerProcess
from tests.support.proxy import Proxy
from worker.dev.postgres import EmbeddedPostgres
from worker.storage.migrate import migrate

from .stage import Stage

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.apache_kafka)


@pytest.fixture(scope="session")
async def _detour() -> AsyncIterator[Proxy]:
    async with Proxy() as proxy:
        yield proxy


@pytest.fixture(scope="session")
async def kafka(_detour: Proxy) -> AsyncIterator[ApacheKafka]:
    """One broker that lets sessions be short, so that many take-overs fit into a test."""
    settings = {"group.min.session.timeout.ms": 1_000}
    async with ApacheKafka(settings, detour=_detour.port) as broker:
        _detour.target = broker.detour_port
        yield broker


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    """One server with few connections, so that they can be used up."""
    async with EmbeddedPostgres(settings={"max_connections": 60}, trust=True) as server:
        yield server


@pytest.fixture
def kafka_proxy(_detour: Proxy, kafka: ApacheKafka) -> Iterator[Proxy]:
    """Stands between the workers and Kafka; the marketplace and the reader go past it."""
    yield _detour
    _detour.heal()
    _detour.cut()


@pytest.fixture
async def postgres_proxy(database: str) -> AsyncIterator[Proxy]:
    """Stands between the workers and Postgres."""
    port = urlsplit(database).port
    assert port is not None
    async with Proxy(port) as proxy:
        yield proxy


@pytest.fixture
def bare_stage(
    kafka: ApacheKafka,
    kafka_proxy: Proxy,
    postgres: EmbeddedPostgres,
    postgres_proxy: Proxy,
    database: str,
    new_worker: Callable[..., WorkerProcess],
    make_topics: MakeTopics,
) -> Stage:
    """A new database, and no worker yet."""
    return Stage(kafka, kafka_proxy, postgres, postgres_proxy, database, new_worker, make_topics)


@pytest.fixture
async def stage(bare_stage: Stage) -> Stage:
    """A migrated database, and no worker yet."""
    await migrate(bare_stage.database)
    return bare_stage
