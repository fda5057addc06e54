"""Three brokers: leaders move, nodes come and go, and a minority is not enough."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.conftest import MakeTopics
from tests.end_to_end.world import World
from tests.support.kafka_cluster import SIZE, KafkaCluster
from tests.support.topics import create_fresh_topics

from .stage import GRACE, WINDOW, Stage


@pytest.fixture(scope="module")
async def kafka() -> AsyncIterator[KafkaCluster]:
    """Takes the place of the single broker; workers talk to it without a proxy."""
    async with KafkaCluster({"group.min.session.timeout.ms": 1_000}) as cluster:
        yield cluster


@pytest.fixture
def make_topics(kafka: KafkaCluster) -> MakeTopics:
    """Topics on all three nodes."""
    return partial(create_fresh_topics, kafka.bootstrap_servers, replication=SIZE)


async def test_the_leader_dies_and_another_takes_over(stage: Stage, kafka: KafkaCluster) -> None:
    """A new leader may lack what its predecessor had not replicated: nothing acknowledged may go,
    no position may lie beyond the new log's end, and the relay must find its tail there.
    """
    topics = await stage.make_topics(created=4, status=6)
    world = World(61, 1000, topics, WINDOW, GRACE, spread=45)
    await stage.ready_workers(topics, 2, kafka_bootstrap_servers=kafka.bootstrap_servers)

    async with stage.publishing(world) as reader:
        for partition in range(3):
            await asyncio.sleep(4)
            leader = await kafka.leader(topics.decisions, partition)
            async with stage.fault("leader killed"):
                await leader.kill9()
                await asyncio.sleep(4)
            await leader.start()
            await kafka.replicated([*topics.widths])

    stage.judge(world, reader, repeats_allowed=True)


async def test_a_rolling_restart(stage: Stage, kafka: KafkaCluster) -> None:
    """Every leader, the group's coordinator and the controller move, one after another: nobody
    may lose its lanes for good, nor take what it missed for read.
    """
    topics = await stage.make_topics(created=4, status=6)
    world = World(62, 1000, topics, WINDOW, GRACE, spread=45)
    await stage.ready_workers(topics, 2, kafka_bootstrap_servers=kafka.bootstrap_servers)

    async with stage.publishing(world) as reader:
        await asyncio.sleep(4)
        for node in kafka.nodes:
            async with stage.fault("node restarted"):
                await node.restart()
            await kafka.replicated([*topics.widths])

    stage.judge(world, reader)


async def test_two_of_three_nodes_are_gone(stage: Stage, kafka: KafkaCluster) -> None:
    """What is left acknowledges nothing and may show less than was committed: no verdict may rest
    on its ends, and none may be lost that was on its way.
    """
    topics = await stage.make_topics(created=4, status=6)
    world = World(63, 800, topics, WINDOW, GRACE, spread=30)
    await stage.ready_workers(topics, 2, kafka_bootstrap_servers=kafka.bootstrap_servers)

    async with stage.publishing(world) as reader:
        await asyncio.sleep(5)
        async with stage.fault("two nodes gone"):
            await asyncio.gather(*(node.kill9() for node in kafka.nodes[1:]))
            await asyncio.sleep(12)
            await asyncio.gather(*(node.start() for node in kafka.nodes[1:]))

    stage.judge(world, reader, repeats_allowed=True)
