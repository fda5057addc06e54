"""The samples of the guides in each language, as they stand: against a real Kafka and a worker."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from schemas.events import ORDER_CREATED, ORDER_STATUS_CHANGED
from tests.contract.samples import samples
from tests.support.languages import LANGUAGES, Language
from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

# The first build of the Go samples compiles their library.
pytestmark = [pytest.mark.apache_kafka, pytest.mark.timeout(400)]
ORDERS = [f"ñ{n}" for n in range(6)]


@pytest.fixture(params=LANGUAGES, ids=lambda one: one.name)
def language(request: pytest.FixtureRequest) -> Language:
    one: Language = request.param
    if reason := one.missing():
        assert not (one.required and os.environ.get("CI")), reason
        pytest.skip(f"the samples in {one.name} were not run: {reason}")
    return one


async def publish(
    language: Language, kafka: Kafka, topic: str, ce_type: str, values: list[object]
) -> None:
    process = await asyncio.create_subprocess_exec(
        *language.command("publisher"), kafka.bootstrap_servers, topic, ce_type,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    lines = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    told, _ = await asyncio.wait_for(process.communicate(lines.encode()), 90)
    assert process.returncode == 0, told.decode()


@asynccontextmanager
async def consuming(
    language: Language, kafka: Kafka, topic: str
) -> AsyncIterator[tuple[list[str], asyncio.subprocess.Process]]:
    """The lines that a consumer prints, and its process."""
    more = [f"sample-{uuid.uuid4().hex[:8]}"] if language.name == "node" else []
    process = await asyncio.create_subprocess_exec(
        *language.command("consumer"), kafka.bootstrap_servers, topic, *more,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    lines: list[str] = []

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            lines.append(line.decode().strip())

    reading = asyncio.create_task(read())
    try:
        yield lines, process
    finally:
        with suppress(ProcessLookupError):  # it stopped at a gap
            process.kill()
        await process.wait()
        await reading


async def test_what_a_publisher_sends_is_read_and_partitioned_by_murmur2(
    language: Language, kafka: Kafka, topics: Topics, market: Market,
    new_worker: Callable[..., WorkerProcess],
) -> None:  # fmt: skip
    entered = now()
    orders: list[object] = [
        {"order_id": order, "seller_id": "s-1", "fulfilment": "courier",
         "entered_at": entered.isoformat()} for order in ORDERS
    ]  # fmt: skip
    acts: list[object] = [
        {"order_id": ORDERS[0], "status": "start-handling", "occurred_at": entered.isoformat()}
    ]
    await publish(language, kafka, topics.order_status_changed, ORDER_STATUS_CHANGED, acts)
    await publish(language, kafka, topics.order_created, ORDER_CREATED, orders)
    records = await market._all(topics.order_created)
    for record in records:
        partition = (murmur2(record.key) & 0x7FFFFFFF) % topics.widths[topics.order_created]
        assert record.partition == partition
        assert dict(record.headers)["ce_type"] == ORDER_CREATED.encode()
    assert {record.key.decode() for record in records} == set(ORDERS)
    await new_worker(topics, stock_window="PT1S", grace="PT0S").start().wait_ready()
    await market.told(*(f"{order} auto-cancel stock-not-validated" for order in ORDERS[1:]))


async def test_a_consumer_takes_each_decision_once_from_wherever_the_topic_begins(
    language: Language, kafka: Kafka, topics: Topics
) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:

        async def tell(kind: str, partition: int, sequence: int, **more: str) -> None:
            value = samples()[kind] | {"sequence": sequence} | more
            headers = [("ce_id", value["id"].encode()), ("ce_type", value["type"].encode()),
                       ("ce_sequence", str(sequence).encode())]  # fmt: skip
            await producer.send_and_wait(
                topics.decisions, json.dumps(value).encode(), value["order_id"].encode(),
                partition=partition, headers=headers,
            )  # fmt: skip

        # Retention removed what was before; and a repeat of two.
        beyond = 2**53 + 1
        for kind, sequence in (
            ("auto-cancel", beyond), ("escalation", beyond + 1), ("auto-cancel", beyond),
            ("escalation", beyond + 1), ("decision-revoked", beyond + 2),
        ):  # fmt: skip
            await tell(kind, 0, sequence)
        await tell("deadline-reminder", 1, 1)
        told, order = samples(), "v40484048naf-01"
        expected = [
            f"cancel {order}",
            f"ask a person about {order}: {told['escalation']['reason']}",
            f"undo {told['decision-revoked']['revokes']['id']} of {order}",
            f"remind the seller of {order}, due {told['deadline-reminder']['due']}",
        ]
        async with consuming(language, kafka, topics.decisions) as (lines, process):

            async def all_told() -> bool:
                assert sorted(lines) == sorted(expected)
                return True

            await eventually(all_told, 60)
            await tell("auto-cancel", 1, 5, order_id="behind-a-gap")
            if language.name != "node":  # kafkajs begins anew with the same record, for ever
                assert await asyncio.wait_for(process.wait(), 30) != 0
        assert sorted(lines) == sorted(expected)
