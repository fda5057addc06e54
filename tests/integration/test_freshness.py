"""No verdict before the proof: what may hide evidence holds it, and what does not never does."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

NewWorker = Callable[..., WorkerProcess]
SILENT = "auto-cancel stock-not-validated"
HELD = 'plazo_guard_held_lanes{reason="behind"}'


@asynccontextmanager
async def transaction(market: Market, kafka: Kafka) -> AsyncIterator[Any]:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"tx-{id(market)}"
    )
    await producer.start()
    try:
        await producer.begin_transaction()
        yield producer
    finally:
        await producer.stop()


async def held(worker: WorkerProcess) -> bool:
    return await guards(worker, "behind")


async def guards(worker: WorkerProcess, reason: str) -> bool:
    return (await worker.metrics())[f'plazo_guard_held_lanes{{reason="{reason}"}}'] >= 1


def hasty(new_worker: NewWorker, topics: Topics, **more: str) -> WorkerProcess:
    return new_worker(topics, **({"stock_window": "PT2S", "grace": "PT0S"} | more))


async def send(producer: Any, record: tuple[str, str, Any]) -> None:
    topic, key, value = record
    await producer.send_and_wait(topic, json.dumps(value).encode(), key=key.encode())


@pytest.mark.apache_kafka
async def test_a_reader_that_stands_still_is_seen_by_the_age_of_what_waits(
    new_worker: NewWorker, market: Market, kafka: Kafka, topics: Topics
) -> None:
    """Even where nothing was ever read: the number of records that wait tells nothing."""
    worker = await new_worker(topics).start().wait_ready()
    labels = f'{{partition="1",topic="{topics.order_created}"}}'
    async with transaction(market, kafka) as producer:
        topic, key, value = market.order("a")
        await producer.send_and_wait(topic, json.dumps(value).encode(), key.encode(), partition=1)

        async def ages() -> bool:
            seen = await worker.metrics()
            return seen[f"plazo_lag_seconds{labels}"] > 4 and seen[f"plazo_lag_records{labels}"] > 0

        await eventually(ages, 20, "the age grows though nothing else moves")
        await producer.commit_transaction()

    async def caught_up() -> bool:
        return (await worker.metrics())[f"plazo_lag_seconds{labels}"] == 0

    await eventually(caught_up, 20, "all was read")


@pytest.mark.apache_kafka
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "aborted"])
async def test_an_open_transaction_holds_the_verdict_until_it_ends(
    new_worker: NewWorker, market: Market, kafka: Kafka, topics: Topics, committed: bool
) -> None:
    worker = await hasty(new_worker, topics).start().wait_ready()
    await market.publish(market.order("a"))
    async with transaction(market, kafka) as producer:
        await send(producer, market.act("a", "start-handling"))
        await eventually(lambda: held(worker), 20, "a guard holds the verdict")
        assert await market.decisions() == []
        await (producer.commit_transaction() if committed else producer.abort_transaction())
        # The marker is the last record of its partition; it must not hold the next verdict.
        await market.publish(market.order("b"))
        await market.told(*([] if committed else [f"a {SILENT}"]), f"b {SILENT}")
    assert (await worker.metrics())[HELD] == 0


@pytest.mark.apache_kafka
async def test_evidence_that_is_not_read_yet_counts(
    new_worker: NewWorker, market: Market, topics: Topics
) -> None:
    """The deadline lapsed while nobody read; the act stands far behind in another partition."""
    await market.publish(market.order("a"), market.order("b"))
    noise = (market.act(f"x{n}", "ready-for-handling") for n in range(500))
    await market.publish(*noise, partition=2)
    await market.publish(market.act("a", "start-handling"), partition=2)
    lapsed = now() + timedelta(seconds=3)
    await eventually(lambda: now() > lapsed)
    worker = hasty(new_worker, topics, batch_size="20").start()
    await market.told(f"b {SILENT}")
    key = 'plazo_outcomes_total{outcome="kept"}'
    await eventually(lambda: _is(worker, key, 1))


async def _is(worker: WorkerProcess, key: str, value: float) -> bool:
    return (await worker.metrics()).get(key) == value


@pytest.mark.apache_kafka
async def test_logs_that_do_not_reach_back_escalate(
    new_worker: NewWorker, market: Market, kafka: Kafka, topics: Topics
) -> None:
    """Retention dropped part of the status log before the first start."""
    before = now() - timedelta(minutes=1)
    await market.publish(market.order("old", before))
    await market.publish(*(market.act("x", "ready-for-handling") for _ in range(2)), partition=0)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    part = TopicPartition(topics.order_status_changed, 0)
    await admin.delete_records({part: RecordsToDelete(before_offset=1)})
    await admin.close()
    # What is lost may be as young as the moment at which the loss is found.
    await hasty(new_worker, topics).start().wait_ready()
    await market.publish(market.order("new"))
    await market.told("old escalation evidence-incomplete", f"new {SILENT}")


@pytest.mark.apache_kafka
async def test_records_lost_to_retention_while_nobody_read(
    new_worker: NewWorker, market: Market, kafka: Kafka, database: str, topics: Topics
) -> None:
    worker = await hasty(new_worker, topics, stock_window="PT8S").start().wait_ready()
    await market.publish(market.order("a"))
    key = f'plazo_records_total{{outcome="created",topic="{topics.order_created}"}}'
    await eventually(lambda: _is(worker, key, 1))
    assert await worker.sigterm() == 0
    await market.publish(market.act("a", "start-handling"), partition=0)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    part = TopicPartition(topics.order_status_changed, 0)
    await admin.delete_records({part: RecordsToDelete(before_offset=1)})
    await admin.close()
    worker.start()
    await market.told("a escalation evidence-incomplete")
    lost = f'plazo_records_lost_total{{topic="{topics.order_status_changed}"}}'
    assert (await worker.metrics())[lost] == 1


@pytest.mark.parametrize("proof", ["all", "lane"])
async def test_a_position_beyond_the_log_halts_the_lane(
    new_worker: NewWorker, market: Market, database: str, topics: Topics, proof: str
) -> None:
    """The topic was truncated or made anew: nothing is skipped silently, nothing is decided.

    Evidence may stand in that lane for any order, unless the operator vouches that all publishers
    partition alike: then the other lanes go on.
    """
    worker = await hasty(new_worker, topics, proof=proof).start().wait_ready()
    assert await worker.sigterm() == 0
    connection = await asyncpg.connect(database)
    await connection.execute(
        "UPDATE positions SET next_offset = 1000000 WHERE topic = $1 AND partition = 1",
        topics.order_status_changed,
    )
    await connection.close()
    for partition in range(3):
        await market.publish(market.order(f"o{partition}"), partition=partition)
    worker.start()
    await eventually(lambda: _halted(worker), 20, "one lane is halted")
    # The monitor looks once a second.
    await eventually(lambda: _unready(worker), 5, "it is not ready")
    assert "lane_halted" in worker.output
    if proof == "lane":
        await market.told(f"o0 {SILENT}", f"o2 {SILENT}")
    else:
        await eventually(lambda: guards(worker, "probe"), 20, "a guard holds the verdicts")
        assert await market.decisions() == []


async def _unready(worker: WorkerProcess) -> bool:
    return (await worker.get("/readyz"))[0] == 503


async def _halted(worker: WorkerProcess) -> bool:
    status, body = await worker.get("/metrics")
    return status == 200 and "plazo_lanes_halted 1.0" in body


async def test_a_verdict_falls_within_a_second_of_its_time(
    new_worker: NewWorker, market: Market, topics: Topics
) -> None:
    await hasty(new_worker, topics, grace="PT1S").start().wait_ready()
    await market.publish(market.order("a"))
    (verdict,) = await market.told(f"a {SILENT}")
    late = verdict.at - datetime.fromisoformat(verdict.value["due"]) - timedelta(seconds=1)
    assert timedelta(milliseconds=-1) <= late < timedelta(seconds=1), late
