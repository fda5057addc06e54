"""A topic that is replaced under a frozen worker, and has grown past its position when it wakes."""

from collections.abc import Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

NewWorker = Callable[..., WorkerProcess]


@pytest.mark.apache_kafka
async def test_evidence_below_the_position_of_a_frozen_worker_is_not_passed_over(
    new_worker: NewWorker, topics: Topics, market: Market, kafka: Kafka
) -> None:
    times = {"stock_window": "PT25S", "grace": "PT0S", "session_timeout": "PT45S"}
    acts = topics.order_status_changed
    worker = await new_worker(topics, **times).start().wait_ready()
    await market.publish(
        market.order("a"), *[market.act(f"other-{n}", "invoiced") for n in range(20)], partition=0
    )
    await eventually(lambda: _read(worker), 20, "all is read")
    worker.sigstop()
    await _replace(kafka, acts)
    # The seller acts in time, and the new log grows past the position of the old one.
    await market.publish(
        market.act("a", "start-handling"),
        *[market.act(f"more-{n}", "invoiced") for n in range(40)],
        partition=0,
    )
    worker.sigcont()
    await eventually(lambda: "lane_halted" in worker.output, 40, "it halts")
    assert "is not the record that was read there" in worker.output
    cure = ["positions", "rewind", acts, "--partition", "0", "--by", "ana"]
    assert await new_worker(topics, arguments=cure).start().wait() == 0
    await worker.wait_ready()
    assert await market.decisions() == []  # the evidence is read, so nothing is cancelled


async def _replace(kafka: Kafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def made() -> bool:
            answer = await admin.create_topics([NewTopic(topic, 3, 1)])
            return bool(answer.topic_errors[0][1] == 0)

        await eventually(made, 20, "the topic is there again")
    finally:
        await admin.close()


async def _read(worker: WorkerProcess) -> bool:
    metrics = await worker.metrics()
    read = sum(v for k, v in metrics.items() if k.startswith("plazo_records_total"))
    return read == 21
