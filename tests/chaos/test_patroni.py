"""Patroni moves the primary: the workers find it again, and nothing that was committed is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.end_to_end.world import World
from tests.support.patroni import MISSING, Node, Patroni
from tests.support.waiting import eventually
from worker.storage.migrate import migrate

from .stage import GRACE, JUDGED, WINDOW, Stage

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (Debian packages)"
)


@pytest.fixture(scope="module")
async def patroni() -> AsyncIterator[Patroni]:
    """Two servers, and the lock that says which is the primary."""
    async with Patroni() as cluster:
        yield cluster


@pytest.fixture
async def stage(bare_stage: Stage, patroni: Patroni) -> Stage:
    """On the servers of Patroni, which the workers reach by the names of both."""
    name = bare_stage.database.rpartition("/")[2]
    await patroni.whole()
    at_home = replace(bare_stage, database=patroni.url())
    await at_home.execute(f"CREATE DATABASE {name}")
    at_home = replace(bare_stage, database=patroni.url(name))
    await migrate(at_home.database)
    return at_home


async def _new_primary(patroni: Patroni, former: Node) -> Node:
    (other,) = [node for node in patroni.nodes if node is not former]

    async def leads() -> bool:
        return await other.role() == "primary"

    await eventually(leads, 60, "a new primary")
    return other


async def test_the_primary_dies(stage: Stage, patroni: Patroni) -> None:
    """And comes back as a standby, by pg_rewind."""
    topics = await stage.make_topics(created=4, status=6)
    world = World(91, 800, topics, WINDOW, GRACE, spread=30, behaviours=JUDGED)
    await stage.ready_workers(topics, 2, database_url=stage.database)
    async with stage.publishing(world) as reader:
        await asyncio.sleep(8)
        former = await patroni.primary()
        async with stage.fault("primary killed"):
            await former.kill9()
            await _new_primary(patroni, former)
        former.start()
    stage.judge(world, reader)
    await patroni.whole()


async def test_the_primary_becomes_a_standby_in_place(stage: Stage, patroni: Patroni) -> None:
    """A planned switch, there and back: the address that took writes goes on to answer."""
    topics = await stage.make_topics(created=4, status=4)
    world = World(92, 800, topics, WINDOW, GRACE, spread=30, behaviours=JUDGED)
    await stage.ready_workers(topics, 2, database_url=stage.database)
    async with stage.publishing(world) as reader:
        for _ in range(2):
            await asyncio.sleep(5)
            former = await patroni.primary()
            async with stage.fault("switched over"):
                await former.switch_over()
                await _new_primary(patroni, former)
            await patroni.whole()
    stage.judge(world, reader)


async def test_the_first_host_freezes_and_wakes(stage: Stage, patroni: Patroni) -> None:
    """Its connections stay open and its host takes new ones, which nobody answers. When it wakes,
    it believes for a moment that it still is the primary.
    """
    first = patroni.nodes[0]
    if await patroni.primary() is not first:
        await patroni.nodes[1].switch_over()
        assert await patroni.whole() is first
    topics = await stage.make_topics(created=4, status=4)
    world = World(93, 800, topics, WINDOW, GRACE, spread=30, behaviours=JUDGED)
    workers = await stage.ready_workers(topics, 2, database_url=stage.database)
    async with stage.publishing(world) as reader:
        await asyncio.sleep(6)
        try:
            async with stage.fault("primary frozen"):
                first.freeze()
                await _new_primary(patroni, first)
            began = time.monotonic()
            newcomer = stage.worker(topics, database_url=stage.database)
            for worker in (newcomer, *workers):
                await worker.wait_ready(40)
            print(f"ready {time.monotonic() - began:.1f} s after the promotion")
        finally:
            first.wake()
    assert not reader.repeats
    # Dead letters whose mark the frozen server did not take are published again.
    stage.judge(world, reader, repeats_allowed=True)
    await patroni.whole()
