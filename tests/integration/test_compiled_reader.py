"""A backlog on the real parts: a worker stores the same with the compiled reader and without."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from itertools import islice
from typing import Any

import asyncpg
import orjson
import pytest
from confluent_kafka import Producer

from tests.benchmarks.mix import Event, mix
from tests.support.market import now
from tests.support.native import needs_compiled
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.dev.postgres import EmbeddedPostgres
from worker.storage.migrate import migrate

pytestmark = needs_compiled

EVENTS = 6_000
# Of so many records one is not plain, for each reason.
EVERY = 50
READ = "SELECT coalesce(sum(next_offset), 0)::bigint FROM positions"
# All that a batch stores, but for when and by which lane it was stored.
STORED = {
    "orders": """
        SELECT order_id, entered_at, due, fires_at, seller_id, fulfilment, policy, policy_version,
            at_lapse, doubt, currency, labels, told_due, total, "offset", topic, partition
        FROM orders ORDER BY order_id
    """,
    "deadlines": "SELECT lane, fires_at, order_id FROM deadlines ORDER BY order_id",
    "acts": """
        SELECT order_id, status, stock_ok, form_complete, unknown, topic, partition, occurred_at,
            "offset", body
        FROM acts ORDER BY topic, partition, "offset", order_id
    """,
    "dead letters": """
        SELECT topic, partition, "offset", error FROM dead_letters ORDER BY 1, 2, 3
    """,
    "shields": "SELECT order_id FROM shields ORDER BY order_id",
}


@pytest.fixture
async def twin(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A second database."""
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("CREATE DATABASE compiled_reader_twin")
    yield postgres.url_of("compiled_reader_twin")
    await connection.execute("DROP DATABASE compiled_reader_twin WITH (FORCE)")
    await connection.close()


async def test_a_backlog_is_stored_alike_with_the_compiled_reader_and_without(
    kafka: Kafka,
    topics: Topics,
    database: str,
    twin: str,
    new_worker: Callable[..., WorkerProcess],
) -> None:
    events = [*islice(mix(clock=lambda: now() - timedelta(hours=1)), EVENTS)]
    publish(kafka, topics, events)
    found = {}
    for url, compiled in ((database, "true"), (twin, "false")):
        await migrate(url)
        settings = {"database_url": url, "group_id": f"reader-{compiled}", "compiled": compiled}
        worker = new_worker(topics, dead_letter_limit="1", log_level="info", **settings).start()
        found[compiled] = await stored(url)
        assert await worker.sigterm() == 0
        assert f'"compiled": {compiled}' in worker.output
    assert len(found["true"]["acts"]) > EVENTS * 0.9
    assert found["true"]["dead letters"]
    for table, rows in found["true"].items():
        assert rows == found["false"][table], table


def publish(kafka: Kafka, topics: Topics, events: list[Event]) -> None:
    """Append them all, some of them as only the decoder reads them."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number, event in enumerate(events):
        topic = topics.order_created if event.created else topics.order_status_changed
        key, headers = event.order_id.encode(), event.headers
        value = unusual(event.value, number)
        producer.produce(topic, value, key, headers=headers)  # type: ignore[arg-type]
    assert producer.flush(60) == 0


def unusual(value: bytes, number: int) -> bytes:
    told = orjson.loads(value)
    more: dict[str, Any] = {
        # Six of ten events are orders.
        0: {"customer": "Ana"},
        1: {"labels": {"test": "true"}},
        2: {"seller_id": " seller "},
        3: {"order_id": None},
        6: {"status": "never heard of"},
        7: {"dispute": {"text": "no stock", "type": "CS", "responsible": "Ana"}},
        8: {"occurred_at": "yesterday"},
    }.get(number % EVERY, {})
    return orjson.dumps(told | more)


async def stored(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Wait until all is read, and return the rows."""
    connection = await asyncpg.connect(url)

    async def all_read() -> bool:
        return bool(await connection.fetchval(READ) >= EVENTS)

    try:
        await eventually(all_read, 60)
        return {
            name: [tuple(row) for row in await connection.fetch(statement)]
            for name, statement in STORED.items()
        }
    finally:
        await connection.close()
