"""Kafka out of reach, while sellers go on acting: nobody may be cancelled on what was not read."""

import asyncio
from collections.abc import Callable

import pytest

from tests.end_to_end.world import World
from tests.support.proxy import Proxy

from .stage import GRACE, WINDOW, Stage

# Longer than the session, a request (20 s), a probe (15 s) and a send (30 s).
LONGER_THAN_EVERY_TIMEOUT = 36.0


@pytest.mark.parametrize("how", [Proxy.silence, Proxy.refuse], ids=["silent", "refusing"])
async def test_kafka_is_out_of_reach_for_longer_than_every_timeout(
    stage: Stage, how: Callable[[Proxy], None]
) -> None:
    """Silence keeps requests under way: a produce request may arrive after its producer is gone."""
    topics = await stage.make_topics(created=4, status=6)
    world = World(31, 1200, topics, WINDOW, GRACE, spread=50)
    workers = await stage.ready_workers(topics, 2)

    async with stage.publishing(world) as reader:
        await asyncio.sleep(6)
        async with stage.fault("out of reach"):
            how(stage.kafka_proxy)
            await asyncio.sleep(LONGER_THAN_EVERY_TIMEOUT)
            assert all([(await one.get("/livez"))[0] == 200 for one in workers])
            stage.kafka_proxy.heal()

    stage.judge(world, reader, repeats_allowed=how is Proxy.silence)


async def test_connections_to_kafka_are_cut_all_the_time(stage: Stage) -> None:
    """Every produce that was under way is in doubt; its repeat must not be told twice."""
    topics = await stage.make_topics(created=4, status=4)
    world = World(32, 800, topics, WINDOW, GRACE, spread=20)
    await stage.ready_workers(topics, 2)

    async with stage.publishing(world) as reader:
        for _ in range(12):
            await asyncio.sleep(1.5)
            stage.strike("connections cut")
            stage.kafka_proxy.cut()

    stage.judge(world, reader)


async def test_the_broker_crashes_and_hangs_under_load(stage: Stage) -> None:
    """The marketplace's own producer waits as well, so its facts are stored late, and count so."""
    topics = await stage.make_topics(created=4, status=6)
    world = World(33, 800, topics, WINDOW, GRACE, spread=24)
    workers = await stage.ready_workers(topics, 2)

    async with stage.publishing(world) as reader:
        await asyncio.sleep(4)
        async with stage.fault("broker killed"):
            await stage.kafka.kill9()
            await asyncio.sleep(2)
            await stage.kafka.start()
        await asyncio.sleep(10)
        async with stage.fault("broker hangs"):
            stage.kafka.pause()
            await asyncio.sleep(6)
            stage.kafka.resume()
        for worker in workers:
            await worker.wait_ready()

    stage.judge(world, reader, repeats_allowed=True)
