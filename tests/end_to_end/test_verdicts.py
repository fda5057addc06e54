"""Verdicts from end to end: real workers, a real Kafka and a real Postgres, an outside judge.

Windows are seconds instead of a day; everything else is as in production. Each test prints its
audit; `pytest -rP` shows it.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import MakeTopics
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

from .audit import Audit, audit, unsettled
from .reader import Reader
from .world import MAX_RECORD_BYTES, World

WINDOW = timedelta(seconds=5)
GRACE = timedelta(seconds=1)
SETTINGS = {
    "brake_share": "1",  # half of these sellers and more are silent on purpose
    "stock_window": "PT5S",
    # Its judge follows each order by itself.
    "astray_refusals": "ignore",
    "grace": "PT1S",
    "max_record_bytes": str(MAX_RECORD_BYTES),
    "session_timeout": "PT6S",
    "drain_timeout": "PT10S",
}

NewWorker = Callable[..., WorkerProcess]


@dataclass
class Stage:
    """Where a test takes place."""

    kafka: Kafka
    new_worker: NewWorker
    make_topics: MakeTopics
    directory: Path
    environment: dict[str, str]
    workers: list[WorkerProcess] = field(default_factory=list)

    async def topics(self, created: int, status: int) -> Topics:
        return await self.make_topics(created=created, status=status)

    def worker(self, topics: Topics) -> WorkerProcess:
        """Start one more worker; it is not ready yet."""
        self.workers.append(self.new_worker(topics, **SETTINGS).start())
        return self.workers[-1]

    async def stop(self) -> None:
        """Stop every worker in order: nothing may come after it."""
        for worker in self.workers:
            if worker.alive:
                assert await worker.sigterm() == 0, worker.output[-2000:]

    @asynccontextmanager
    async def publishing(self, world: World) -> AsyncIterator[Reader]:
        """The world publishes while the body runs; on leaving, all of it has been published."""
        bootstrap = self.kafka.bootstrap_servers
        topics = world.topics
        async with Reader(bootstrap, topics.decisions, topics.dead_letters) as reader:
            task = asyncio.create_task(world.publish(bootstrap, reader.first_seen))
            try:
                yield reader
                await task
                await self.settle(world, reader)
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def settle(self, world: World, reader: Reader, timeout: float = 25.0) -> None:
        """Wait for every verdict, or give up; then stop the workers and read to the end.

        Orders that get no verdict are waited for as well: until the last could have fallen.
        """
        last_due = max(order.entered_at for order in world.orders.values()) + WINDOW + GRACE
        end = max(last_due, world.last_stored_at) + timedelta(seconds=2)
        with suppress(AssertionError):  # the audit says what is missing
            await eventually(
                lambda: datetime.now(UTC) > end and not unsettled(world, reader),
                timeout,
                interval=0.5,
            )
        await self.stop()
        await reader.catch_up()


@pytest.fixture
async def stage(
    kafka: Kafka, new_worker: NewWorker, make_topics: MakeTopics, database: str, tmp_path: Path
) -> Stage:
    """A migrated database, and no worker yet."""
    environment = {"PLAZO_DATABASE_URL": database}
    migrate = WorkerProcess(tmp_path, environment, name="migrate", arguments=("migrate",)).start()
    assert await migrate.wait() == 0, migrate.output
    return Stage(kafka, new_worker, make_topics, tmp_path, environment)


def report(found: Audit) -> None:
    """Print the audit, and fail unless it is clean."""
    print(found)
    found.check()


async def test_one_worker_alone(stage: Stage) -> None:
    topics = await stage.topics(4, 4)
    world = World(1, 1000, topics, WINDOW, GRACE, spread=8)
    await stage.worker(topics).wait_ready()

    async with stage.publishing(world) as reader:
        pass

    report(audit(world, reader))


@pytest.mark.parametrize(("created", "status"), [(4, 6), (6, 4)], ids=["4 and 6", "6 and 4"])
async def test_two_workers_and_topics_of_different_widths(
    stage: Stage, created: int, status: int
) -> None:
    topics = await stage.topics(created, status)
    world = World(10 + created, 1000, topics, WINDOW, GRACE, spread=8)
    for worker in [stage.worker(topics), stage.worker(topics)]:
        await worker.wait_ready()

    async with stage.publishing(world) as reader:
        pass

    report(audit(world, reader))


async def test_workers_that_start_after_every_deadline_cancel_nobody_who_spoke(
    stage: Stage,
) -> None:
    """All evidence stands in the logs, all deadlines are past: the backlog is read first."""
    topics = await stage.topics(4, 6)
    world = World(2, 2000, topics, WINDOW, GRACE, spread=4, behaviours=SPEAKING)

    async with stage.publishing(world) as reader:
        await asyncio.sleep(4 + (WINDOW + GRACE).total_seconds() + 1)
        stage.worker(topics)
        stage.worker(topics)

    report(audit(world, reader))


SPEAKING = (
    "confirms in time",
    "confirms exactly at due",
    "cancels with the form",
    "handles without stock",
    "disputes",
    "silent",
    "handles late in the grace",
    "act goes to a foreign partition",
    "act goes by crc32",
    "only unreadable records",
    "status arrives before the order",
    "confirms in the last instant before the verdict",
    "everything is published twice",
)


async def test_workers_come_and_go_in_order(stage: Stage) -> None:
    """Rolling restarts all the time; a clean stop repeats nothing."""
    topics = await stage.topics(4, 6)
    world = World(3, 1500, topics, WINDOW, GRACE, spread=15)
    first, second = stage.worker(topics), stage.worker(topics)
    await first.wait_ready()

    async with stage.publishing(world) as reader:
        for leaving in (first, second):
            await asyncio.sleep(3)
            joining = stage.worker(topics)
            await joining.wait_ready()
            assert await leaving.sigterm() == 0, leaving.output[-2000:]

    report(audit(world, reader))


async def test_workers_crash(stage: Stage) -> None:
    """SIGKILL at any moment: no repeat, no gap, nothing lost."""
    topics = await stage.topics(6, 4)
    world = World(4, 1500, topics, WINDOW, GRACE, spread=15)
    chance = random.Random(4)
    running = [stage.worker(topics) for _ in range(3)]
    await running[0].wait_ready()

    async with stage.publishing(world) as reader:
        for _ in range(4):
            await asyncio.sleep(chance.uniform(1.5, 4))
            victim = running.pop(chance.randrange(len(running)))
            victim.sigkill()
            running.append(stage.worker(topics))

    report(audit(world, reader))


async def test_workers_hang_crash_and_leave_at_random(stage: Stage) -> None:
    """A process that hung and woke finds its lanes taken: it may repeat a decision, no more."""
    topics = await stage.topics(4, 6)
    world = World(5, 1500, topics, WINDOW, GRACE, spread=18)
    chance = random.Random(5)
    running = [stage.worker(topics) for _ in range(3)]
    await running[0].wait_ready()
    hanging: list[tuple[float, WorkerProcess]] = []
    clock = asyncio.get_running_loop().time

    def wake(before: float) -> None:
        for at, worker in list(hanging):
            if at <= before:
                worker.sigcont()
                hanging.remove((at, worker))

    async with stage.publishing(world) as reader:
        harm = ["hang long", "kill", "hang short", "stop", "hang long", "kill"]
        for deed in harm:
            await asyncio.sleep(chance.uniform(1.5, 3.5))
            wake(clock())
            free = [one for one in running if all(one is not other for _, other in hanging)]
            victim = chance.choice(free)
            if deed.startswith("hang"):
                # Long: past the session, so that its lanes are taken while it sleeps.
                victim.sigstop()
                hanging.append((clock() + (8.0 if deed == "hang long" else 1.5), victim))
                continue
            running.remove(victim)
            if deed == "kill":
                victim.sigkill()
            else:
                assert await victim.sigterm() == 0, victim.output[-2000:]
            running.append(stage.worker(topics))
        while hanging:
            await asyncio.sleep(0.2)
            wake(clock())

    report(audit(world, reader, repeats_allowed=True))
