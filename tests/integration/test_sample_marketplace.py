"""The sample marketplace of the Compose file publishes to a broker that is not its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeTopics
from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually


class Sample(WorkerProcess):
    """``python -m worker.dev``."""

    module = "worker.dev"


@pytest.fixture
def sample(kafka: Kafka, topics: Topics, tmp_path: Path) -> Iterator[Sample]:
    made = Sample(tmp_path, variables(kafka, topics), arguments=("--rate", "20"))
    yield made
    made.kill_if_alive()


def variables(kafka: Kafka, topics: Topics) -> dict[str, str]:
    return {
        "PLAZO_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "PLAZO_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",  # it asks no database
        "PLAZO_STOCK_WINDOW": "PT5S",
        **topics.environment(),
    }


async def test_it_publishes_until_it_is_stopped_and_goes_on_with_other_orders(
    sample: Sample, kafka: Kafka, topics: Topics
) -> None:
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    before: set[tuple[int, int, bytes]] = set()
    for _ in range(2):
        sample.start()

        async def told() -> set[tuple[int, int, bytes]]:
            found = {(one.partition, one.offset, one.key) for one in await market.orders()}
            return found - before  # noqa: B023

        async def published() -> bool:
            assert sample.alive, sample.output
            return len(await told()) > 20

        await eventually(published, 60)
        assert await sample.sigterm() == 0, sample.output
        new = await told()
        assert not {key for *_, key in new} & {key for *_, key in before}
        before |= new
    assert await market.acts()


async def test_it_names_topics_that_are_missing(
    kafka: Kafka, make_topics: MakeTopics, tmp_path: Path
) -> None:
    there = variables(kafka, await make_topics())
    changed = {**there, "PLAZO_ORDER_STATUS_CHANGED_TOPIC": "missing"}
    sample = Sample(tmp_path, changed, arguments=()).start()
    try:
        assert await sample.wait() == 4
        assert "run `plazo topics create`" in sample.output
    finally:
        sample.kill_if_alive()
