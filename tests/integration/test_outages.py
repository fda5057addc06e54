"""Kafka or Postgres away: the worker waits, stays live, is not ready, and comes back by itself."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import asyncpg
import pytest

from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics, create_topics
from tests.support.waiting import eventually
from worker.dev.postgres import EmbeddedPostgres
from worker.storage.migrate import migrate

NewWorker = Callable[..., WorkerProcess]
SILENT = "auto-cancel stock-not-validated"


async def not_ready(worker: WorkerProcess) -> None:
    await eventually(lambda: _answers(worker, "/readyz", 503), 20, "not ready")
    told = await worker.metrics()
    assert 0 in [told[f'plazo_ready{{part="{part}"}}'] for part in ("worker", "database", "kafka")]
    assert await _answers(worker, "/livez", 200), "an outage is no reason to be restarted"


async def _answers(worker: WorkerProcess, path: str, status: int) -> bool:
    return (await worker.get(path))[0] == status


def hasty(new_worker: NewWorker, topics: Topics, **more: str) -> WorkerProcess:
    return new_worker(topics, stock_window="PT2S", grace="PT0S", **more)


@pytest.mark.apache_kafka
async def test_both_are_away_at_the_start(
    new_worker: NewWorker, market: Market, kafka: Kafka, postgres: EmbeddedPostgres, topics: Topics
) -> None:
    await market.publish(market.order("a"))
    await kafka.stop()
    await postgres.kill9()
    worker = hasty(new_worker, topics).start()
    await not_ready(worker)
    await postgres.start()
    await eventually(lambda: _names(worker, "kafka"), 30, "only Kafka is missing")
    await kafka.start()
    await worker.wait_ready()
    await market.told(f"a {SILENT}")


async def _names(worker: WorkerProcess, part: str) -> bool:
    return f'["{part}:' in (await worker.get("/readyz"))[1]


@pytest.mark.apache_kafka
async def test_the_broker_crashes_and_comes_back(
    new_worker: NewWorker, market: Market, kafka: Kafka, topics: Topics
) -> None:
    worker = await hasty(new_worker, topics).start().wait_ready()
    await market.publish(market.order("a"))
    await market.told(f"a {SILENT}")
    await market.publish(market.order("b"))
    await kafka.kill9()
    await not_ready(worker)
    await eventually(lambda: _tells(worker, "kafka", 0), 20, "the broker is away")
    await kafka.start()
    await market.publish(market.order("c"))
    await market.told(*(f"{order} {SILENT}" for order in "abc"), timeout=60)
    await worker.wait_ready()
    assert await _tells(worker, "kafka", 1)


async def _tells(worker: WorkerProcess, part: str, ready: int) -> bool:
    return (await worker.metrics())[f'plazo_ready{{part="{part}"}}'] == ready


async def test_postgres_crashes_and_comes_back(
    new_worker: NewWorker, market: Market, postgres: EmbeddedPostgres, topics: Topics
) -> None:
    worker = await hasty(new_worker, topics).start().wait_ready()
    await market.publish(market.order("a"), market.order("b"), market.act("b", "start-handling"))
    await postgres.kill9()
    await market.publish(market.order("c"))
    await not_ready(worker)
    await postgres.start()
    await market.told(f"a {SILENT}", f"c {SILENT}", timeout=60)
    await worker.wait_ready()


async def test_postgres_is_read_only_for_a_while(
    new_worker: NewWorker, market: Market, postgres: EmbeddedPostgres, topics: Topics
) -> None:
    worker = await hasty(new_worker, topics).start().wait_ready()
    await _set_read_only(postgres, "on")
    try:
        await market.publish(market.order("a"))
        key = 'plazo_database_errors_total{kind="readonly"}'
        await eventually(lambda: _at_least(worker, key, 1), 30)
        await not_ready(worker)
    finally:
        await _set_read_only(postgres, "off")
    await market.told(f"a {SILENT}")
    await worker.wait_ready()


async def _at_least(worker: WorkerProcess, name: str, least: float) -> bool:
    return (await worker.metrics())[name] >= least


async def _set_read_only(postgres: EmbeddedPostgres, state: str) -> None:
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def test_sigterm_drains_and_releases(
    new_worker: NewWorker, market: Market, database: str, topics: Topics
) -> None:
    worker = await hasty(new_worker, topics).start().wait_ready()
    await market.publish(*(market.order(f"o{n}") for n in range(50)))
    began = now()
    assert await worker.sigterm(30) == 0
    assert (now() - began).total_seconds() < 10
    connection = await asyncpg.connect(database)
    owners = await connection.fetch("SELECT owner FROM lanes")
    await connection.close()
    assert [row["owner"] for row in owners] == [None] * 3
    successor = await hasty(new_worker, topics).start().wait_ready()
    await market.told(*(f"o{n} {SILENT}" for n in range(50)))
    assert await successor.sigterm(30) == 0


@pytest.mark.apache_kafka
async def test_sigterm_with_the_broker_down_ends_in_time(
    new_worker: NewWorker, market: Market, kafka: Kafka, topics: Topics
) -> None:
    worker = await hasty(new_worker, topics).start().wait_ready()
    await kafka.stop()
    try:
        await asyncio.sleep(1)  # lets some requests fail first; the end does not rest on it
        assert await worker.sigterm(30) == 0
    finally:
        await kafka.start()


async def test_a_schema_that_is_not_current_is_refused(
    new_worker: NewWorker, database: str, topics: Topics
) -> None:
    worker = new_worker(topics).start()
    assert await worker.wait() == 3
    assert "plazo migrate" in worker.output
    await migrate(database)
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE alembic_version SET version_num = '0000'")
    await connection.close()
    worker.start()
    assert await worker.wait() == 3
    assert "schema is 0000" in worker.output


async def test_missing_topics_are_waited_for_and_named(
    new_worker: NewWorker, market: Market, topics: Topics
) -> None:
    worker = hasty(new_worker, topics, decisions_topic="not.there").start()
    await not_ready(worker)
    await eventually(lambda: _mentions(worker, "not.there"), 20)
    assert await worker.sigterm(30) == 0


async def _mentions(worker: WorkerProcess, word: str) -> bool:
    return word in (await worker.get("/readyz"))[1]


async def test_compacted_inputs_are_named_at_the_start(
    new_worker: NewWorker, market: Market, kafka: Kafka, topics: Topics
) -> None:
    """Compaction takes evidence away, and no offset shows it."""
    compacted = f"{topics.order_created}-compacted"
    await create_topics(kafka.bootstrap_servers, {compacted: 3}, cleanup_policy="compact")
    worker = new_worker(replace(topics, order_created=compacted)).start()
    await eventually(lambda: "inputs_compacted" in worker.output and compacted in worker.output)
    await worker.wait_ready()
