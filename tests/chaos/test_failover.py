"""A standby that was left behind is promoted: the database goes back, and the topics do not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tests.end_to_end.audit import audit
from tests.end_to_end.world import World
from tests.support.processes import WorkerProcess
from tests.support.standby import Standby
from tests.support.waiting import eventually

from .stage import GRACE, JUDGED, WINDOW, Stage


@asynccontextmanager
async def _standby(stage: Stage) -> AsyncIterator[Standby]:
    async with Standby(stage.postgres) as server:
        try:
            yield server
        finally:
            if stage.postgres._process is None:
                await stage.postgres.start()  # for the next test


async def _fail_over(stage: Stage, standby: Standby) -> None:
    """The primary dies, and the standby serves at the address that the workers know."""
    stage.postgres_proxy.refuse()
    await stage.postgres.kill9()
    await standby.promote()
    port = urlsplit(standby.url).port
    assert port is not None
    stage.postgres_proxy.target = port
    stage.postgres_proxy.heal()


async def test_a_standby_without_the_last_records_is_promoted(stage: Stage) -> None:
    """Nothing was decided yet, so that all that was lost stands in the inputs: read it again."""
    topics = await stage.make_topics(created=4, status=6)
    world = World(81, 800, topics, WINDOW, GRACE, spread=20, behaviours=JUDGED)
    async with _standby(stage) as standby:
        await stage.ready_workers(topics, 2)
        async with stage.publishing(world) as reader:
            await asyncio.sleep(1)
            await standby.leave_behind()
            await asyncio.sleep(2.5)
            assert not reader.events, "the failover was to come before the first verdict"
            async with stage.fault("failover without the last records"):
                await _fail_over(stage, standby)
        # Dead letters that the database has lost are published again.
        stage.judge(world, reader, repeats_allowed=True)


async def test_a_standby_without_the_last_verdicts_is_promoted(stage: Stage) -> None:
    """Consumers know verdicts that the database does not: lanes halt, and contradict none."""
    topics = await stage.make_topics(created=2, status=2)
    world = World(82, 400, topics, WINDOW, GRACE, spread=14, behaviours=JUDGED)
    async with _standby(stage) as standby:
        workers = await stage.ready_workers(topics, 2)
        async with stage.publishing(world) as reader:
            await eventually(lambda: len(reader.events) > 20, 60, "some verdicts")
            await standby.leave_behind()
            lost = len(reader.events) + 20
            await eventually(lambda: len(reader.events) > lost, 60, "verdicts to be lost")
            await _fail_over(stage, standby)
            await eventually(lambda: _halted(workers, 2), 30, "both lanes halt")
        found = audit(world, reader, lost_commits=True)
        print(found)
        for faults in (
            found.falsely_cancelled, found.duplicated, found.out_of_order, found.misfounded,
            found.malformed,
        ):  # fmt: skip
            assert not faults, f"\n{found}"


async def _halted(workers: list[WorkerProcess], lanes: int) -> bool:
    told = [await one.metrics() for one in workers]
    return sum(int(each.get("plazo_lanes_halted", 0)) for each in told) == lanes
