"""A replica that was not in sync becomes the leader: acknowledged records are gone from the log."""

import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from tests.support.kafka_cluster import KafkaCluster
from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.storage.migrate import migrate

WINDOW, GRACE = timedelta(seconds=25), timedelta(seconds=1)


@pytest.fixture(scope="module")
async def kafka() -> AsyncIterator[KafkaCluster]:
    """Three nodes of which any may lead, whatever it lacks."""
    settings = {
        "group.min.session.timeout.ms": 1_000,
        "unclean.leader.election.enable": "true",
    }
    async with KafkaCluster(settings) as cluster:
        yield cluster


async def test_the_lane_halts_and_cancels_nobody(
    kafka: KafkaCluster, database: str, new_worker: Callable[..., WorkerProcess]
) -> None:
    """Inputs stand on two nodes. The worker reads what only the first has, and the second leads."""
    await migrate(database)
    topics = await _topics(kafka)
    first, second, _ = kafka.nodes
    market = Market(kafka.bootstrap_servers, topics)
    worker = (
        await new_worker(
            topics, stock_window="PT25S", grace="PT1S", session_timeout="PT3S", brake_share="1"
        )
        .start()
        .wait_ready()
    )

    await second.kill9()
    await eventually(lambda: _led_by(kafka, topics.order_status_changed, 1), 40, "the first leads")
    entered = now()
    await market.publish(market.order("silent", entered), market.order("confirmed", entered))
    await market.publish(market.act("confirmed", "start-handling", now()))
    await eventually(lambda: _applied(worker), 20, "all is read")

    await first.kill9()
    await second.start()
    await eventually(lambda: _led_by(kafka, topics.order_status_changed, 2), 60, "the second leads")
    await eventually(lambda: _halted(worker), 60, "the lane halts")
    assert not await market.decisions()
    await eventually(lambda: now() > entered + WINDOW + GRACE + timedelta(seconds=5), 60)
    assert not await market.decisions(), "the log that was read is not the log that is there"
    assert (await worker.get("/livez"))[0] == 200
    await first.start()


async def _topics(kafka: KafkaCluster) -> Topics:
    prefix = uuid.uuid4().hex[:8]
    inputs = [f"{prefix}.order-created", f"{prefix}.order-status-changed"]
    outputs = [f"{prefix}.decisions", f"{prefix}.dead-letters"]
    configs = {"min.insync.replicas": "1"}
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(t, -1, -1, replica_assignments={0: [1, 2]}, topic_configs=configs)
             for t in inputs]
            + [NewTopic(t, -1, -1, replica_assignments={0: [3]}, topic_configs=configs)
               for t in outputs]
        )  # fmt: skip
    finally:
        await admin.close()
    for topic in (*inputs, *outputs):
        await eventually(lambda topic=topic: _led_by(kafka, topic, None), 30, f"{topic} is led")
    return Topics(*inputs, *outputs, dict.fromkeys([*inputs, *outputs], 1))


async def _led_by(kafka: KafkaCluster, topic: str, node: int | None) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    try:
        await admin.start()
        (told,) = await admin.describe_topics([topic])
        leaders = {partition["leader"] for partition in told["partitions"]}
        return leaders == {node} if node else bool(leaders) and min(leaders) > 0
    except KafkaError:
        return False
    finally:
        await admin.close()


async def _applied(worker: WorkerProcess) -> bool:
    told = await worker.metrics()
    return sum(n for name, n in told.items() if name.startswith("plazo_records_total{")) >= 3


async def _halted(worker: WorkerProcess) -> bool:
    status, body = await worker.get("/metrics")
    return status == 200 and "\nplazo_lanes_halted 1.0" in body
