"""Workers with names of their own, and crashes in quick succession."""

import asyncio
import random

from tests.end_to_end.world import World
from tests.support.processes import WorkerProcess
from tests.support.waiting import eventually

from .stage import GRACE, WINDOW, Stage

# What Kafka alone would wait, and longer than a busy machine takes to start a process.
SLOW = {"session_timeout": "PT40S", "instance_absence": "PT30S"}
KILLS = 8
# The p99 of the lateness with eight kills within a minute, in seconds.
TOLERATED = 15.0


async def test_a_worker_comes_back_under_its_name(stage: Stage) -> None:
    """Stopped and crashed: the other worker never notices, and nothing is lost or done twice."""
    topics = await stage.make_topics(created=4, status=6)
    world = World(91, 600, topics, WINDOW, GRACE, spread=40)
    first = stage.worker(topics, instance="one", **SLOW)
    second = stage.worker(topics, instance="two", **SLOW)
    for worker in (first, second):
        await worker.wait_ready()
    await eventually(lambda: _share(second, 3), 30, "each has three of the six lanes")
    before = await second.metrics()

    async with stage.publishing(world) as reader:
        for crash in (False, True, True, False):
            await asyncio.sleep(5)
            async with stage.fault("crash" if crash else "restart"):
                if crash:
                    first.sigkill()
                else:
                    assert await first.sigterm() == 0
                first.start()
                await first.wait_ready()
        after = await second.metrics()
        for name in ("plazo_rebalances_total", "plazo_lane_take_overs_total"):
            assert after[name] == before[name]

    stage.judge(world, reader)


async def _share(worker: WorkerProcess, lanes: int) -> bool:
    return (await worker.metrics())["plazo_lanes_owned"] == lanes


async def test_a_frozen_worker_wakes_beside_its_successor(stage: Stage) -> None:
    """Its successor has its name and its lanes: it must neither write nor join, and then wait."""
    topics = await stage.make_topics(created=4, status=4)
    world = World(92, 600, topics, WINDOW, GRACE, spread=40)
    first = stage.worker(topics, instance="one")
    other = stage.worker(topics, instance="two")
    for worker in (first, other):
        await worker.wait_ready()

    async with stage.publishing(world) as reader:
        await asyncio.sleep(4)
        async with stage.fault("frozen, and a successor of its name"):
            first.sigstop()
            successor = stage.worker(topics, instance="one")
            await successor.wait_ready()
            await asyncio.sleep(2)
            before = await successor.metrics()
            first.sigcont()
            await eventually(lambda: _waits(first), 20, "it finds its name taken")
            await asyncio.sleep(6)
            assert (await successor.metrics())["plazo_lanes_owned"] == before["plazo_lanes_owned"]
            assert await _waits(first)
        async with stage.fault("the successor crashes"):
            successor.sigkill()
            await first.wait_ready()

    stage.judge(world, reader, repeats_allowed=True)


async def _waits(worker: WorkerProcess) -> bool:
    status, body = await worker.get("/readyz")
    return status == 503 and "under the name one" in body


async def test_eight_kills_within_a_minute(stage: Stage) -> None:
    """Each kill used to stop the whole group for a session time-out."""
    topics = await stage.make_topics(created=6, status=6)
    world = World(93, 1500, topics, WINDOW, GRACE, spread=70)
    chance = random.Random(93)
    running = await stage.ready_workers(topics, 3, session_timeout="PT10S")

    async with stage.publishing(world) as reader:
        await asyncio.sleep(5)
        for _ in range(KILLS):
            # Not of one that still starts: on a busy machine that would measure the start alone.
            ready = [one for one in running if (await one.get("/readyz"))[0] == 200]
            victim = chance.choice(ready or running)
            running.remove(victim)
            stage.strike("SIGKILL")
            victim.sigkill()
            running.append(stage.worker(topics, session_timeout="PT10S"))
            await asyncio.sleep(60 / KILLS)

    stage.judge(world, reader)
    late = sorted(stage.lateness(world, reader))
    p99 = late[-(-99 * len(late) // 100) - 1]
    print(f"late: median {late[len(late) // 2]:.1f} s, p99 {p99:.1f} s, most {late[-1]:.1f} s")
    assert p99 < TOLERATED
