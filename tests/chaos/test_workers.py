"""Workers that crash, hang, come and go."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from tests.end_to_end.world import World
from tests.support.processes import WorkerProcess
from tests.support.proxy import Do, Proxy
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.kafka.assignor import LaneAssignor

from .stage import COMMIT, GRACE, WINDOW, Stage

KILLS = 100


async def test_workers_are_killed_a_hundred_times(stage: Stage) -> None:
    """SIGKILL at any instant: in a transaction, between commit and publish, in a take-over."""
    topics = await stage.make_topics(created=4, status=6)
    world = World(41, 3000, topics, WINDOW, GRACE, spread=200)
    chance = random.Random(41)
    running = await stage.ready_workers(topics, 4, session_timeout="PT2S")

    async with stage.publishing(world) as reader:
        for _ in range(KILLS):
            # Now and then long enough for the group to settle, so that kills hit lanes at work.
            await asyncio.sleep(chance.choice([0.1, 0.5, 1.0, 2.0, 6.0]) * chance.uniform(0.7, 1.3))
            stage.strike("SIGKILL")
            running.pop(chance.randrange(len(running))).sigkill()
            running.append(stage.worker(topics, session_timeout="PT2S"))

    stage.judge(world, reader)


@asynccontextmanager
async def own_proxy(stage: Stage) -> AsyncIterator[Proxy]:
    """One more way to Postgres, for a single worker."""
    async with Proxy(stage.postgres_proxy.target) as proxy:
        yield proxy


async def test_a_worker_freezes_in_mid_transaction_and_wakes(stage: Stage) -> None:
    """Its COMMIT comes after a successor has taken the lane: it must fail whole."""
    topics = await stage.make_topics(created=4, status=4)
    world = World(42, 800, topics, WINDOW, GRACE, spread=36)
    async with own_proxy(stage) as proxy:
        url = stage.database_behind(proxy)
        (victim,) = await stage.ready_workers(topics, 1, database_url=url)
        await stage.ready_workers(topics, 1)

        async with stage.publishing(world) as reader:
            for _ in range(3):
                await asyncio.sleep(3)
                await _freeze_at_commit(stage, topics, victim, proxy)

    stage.judge(world, reader, repeats_allowed=True)


async def _freeze_at_commit(
    stage: Stage, topics: Topics, victim: WorkerProcess, proxy: Proxy
) -> None:
    frozen = asyncio.Event()
    thawed = asyncio.Event()

    async def freeze(piece: bytes) -> Do:
        if COMMIT in piece and not frozen.is_set():
            victim.sigstop()
            frozen.set()
            await thawed.wait()
        return Do.PASS

    async with stage.fault("frozen"):
        proxy.on_request = freeze
        await asyncio.wait_for(frozen.wait(), 20)
        epochs = await stage.value("SELECT sum(epoch) FROM lanes")
        # Its lane's row stays locked until the server ends the idle transaction.
        await eventually(lambda: _taken_over(stage, epochs), 30, "a successor takes the lanes")
        await asyncio.sleep(2)
        thawed.set()
        victim.sigcont()
        proxy.heal()


async def _taken_over(stage: Stage, epochs: int) -> bool:
    query = "SELECT sum(epoch) > $1 AND count(DISTINCT owner) = 1 FROM lanes"
    return bool(await stage.value(query, epochs))


async def test_members_join_and_leave_all_the_time(stage: Stage) -> None:
    """A storm of rebalances: lanes change hands before they have come to rest."""
    topics = await stage.make_topics(created=4, status=6)
    world = World(43, 800, topics, WINDOW, GRACE, spread=30)
    group = f"storm-{uuid.uuid4().hex[:8]}"
    running = await stage.ready_workers(topics, 2, group_id=group)
    storm = asyncio.create_task(_storm(stage, topics, group))

    async with stage.publishing(world) as reader, stage.fault("rebalance storm"):
        for _ in range(4):
            await asyncio.sleep(6)
            running.append(stage.worker(topics, group_id=group))
            assert await running.pop(0).sigterm() == 0
        storm.cancel()
        await asyncio.gather(storm, return_exceptions=True)

    stage.judge(world, reader)


async def _storm(stage: Stage, topics: Topics, group: str) -> None:
    """Bare members, which take lanes and read nothing, every second or two."""
    chance = random.Random(43)
    while True:
        consumer = AIOKafkaConsumer(
            topics.order_created,
            topics.order_status_changed,
            bootstrap_servers=stage.kafka.bootstrap_servers,
            group_id=group,
            partition_assignment_strategy=(LaneAssignor,),
            enable_auto_commit=False,
            session_timeout_ms=3_000,
            heartbeat_interval_ms=500,
            rebalance_timeout_ms=15_000,
        )
        await consumer.start()
        try:
            await asyncio.sleep(chance.uniform(0.3, 1.5))
        finally:
            await consumer.stop()
        await asyncio.sleep(chance.uniform(0.3, 1.0))


async def test_sigterm_during_a_slow_batch(stage: Stage) -> None:
    """The batch at hand is finished, or given up when it takes too long; the end comes in time."""
    topics = await stage.make_topics(created=4, status=4)
    world = World(44, 500, topics, WINDOW, GRACE, spread=22)
    loop = asyncio.get_running_loop()
    (first,) = await stage.ready_workers(topics, 1, database_timeout="PT60S")

    async with stage.publishing(world) as reader:
        for seconds in (3, 30):  # within the time for draining, and far beyond it
            await asyncio.sleep(3)
            async with stage.fault(f"a statement takes {seconds} s"):
                await stage.execute(
                    "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
                    f"$$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$",
                    "CREATE OR REPLACE TRIGGER slow BEFORE INSERT ON acts "
                    "FOR EACH STATEMENT EXECUTE FUNCTION slow()",
                )
                await eventually(lambda: _sleeps(stage), 20, "a batch is slow")
                began = loop.time()
                assert await first.sigterm() == 0
                assert loop.time() - began < 13, "PLAZO_DRAIN_TIMEOUT is 10 s"
                await stage.execute("DROP TRIGGER slow ON acts")
            first = stage.worker(topics, database_timeout="PT60S")

    stage.judge(world, reader)


async def _sleeps(stage: Stage) -> bool:
    return bool(
        await stage.value(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'plazo' AND wait_event = 'PgSleep'"
        )
    )
