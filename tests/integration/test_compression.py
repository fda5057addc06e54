"""Published records in each compression: less in the broker, and the same to whoever reads them."""

from collections.abc import Callable

import pytest

from tests.support.apache_kafka import ApacheKafka
from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics

pytestmark = pytest.mark.apache_kafka

NewWorker = Callable[..., WorkerProcess]
SILENT = [f"silent-{number}" for number in range(40)]


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_decisions_take_less_and_none_comes_twice(
    new_worker: NewWorker,
    topics: Topics,
    market: Market,
    kafka: ApacheKafka,
    compression: str,
) -> None:
    settings = {"kafka_compression": compression, "stock_window": "PT2S", "grace": "PT0S"}
    first = await new_worker(topics, **settings).start().wait_ready()
    entered = now()
    await market.publish(*(market.order(order, entered) for order in SILENT))
    told = await market.told(*(f"{order} auto-cancel stock-not-validated" for order in SILENT))
    first.sigkill()

    written = sum(len(record.value) for record in await market.records())
    logs = kafka.data.glob(f"{topics.decisions}-*/*.log")
    assert sum(log.stat().st_size for log in logs) < written

    # The next one finds in the compressed tail what was published.
    await new_worker(topics, **settings).start().wait_ready()
    await market.publish(market.order("later", now()))
    expected = [f"{order} auto-cancel stock-not-validated" for order in [*SILENT, "later"]]
    again = await market.told(*expected)
    assert {one.id for one in told} < {one.id for one in again}
