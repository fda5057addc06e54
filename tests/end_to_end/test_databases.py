"""Verdicts from end to end with half the lanes in a second Postgres, and the same judge."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.conftest import MakeTopics
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from worker.dev.postgres import EmbeddedPostgres

from .audit import audit
from .test_verdicts import GRACE, WINDOW, NewWorker, Stage, report
from .world import World


@pytest.fixture
async def stage(
    kafka: Kafka,
    new_worker: NewWorker,
    make_topics: MakeTopics,
    database: str,
    second_database: str,
    tmp_path: Path,
) -> Stage:
    """Two migrated databases, and no worker yet: lanes 2 and 3 of four, and all beyond."""
    environment = {
        "PLAZO_DATABASE_URL": database,
        "PLAZO_DATABASE_LANES": f"2-={second_database}",
    }
    migrate = WorkerProcess(tmp_path, environment, name="migrate", arguments=("migrate",)).start()
    assert await migrate.wait() == 0, migrate.output
    settings = {"database_lanes": environment["PLAZO_DATABASE_LANES"]}
    return Stage(kafka, new_worker, make_topics, tmp_path, environment, settings=settings)


async def test_workers_crash(stage: Stage) -> None:
    """A quarter is published by CRC32, and acts go astray: many of them to the other server."""
    topics = await stage.topics(4, 6)
    world = World(21, 1500, topics, WINDOW, GRACE, spread=15)
    chance = random.Random(21)
    running = [stage.worker(topics), stage.worker(topics)]
    await running[0].wait_ready()

    async with stage.publishing(world) as reader:
        for _ in range(3):
            await asyncio.sleep(chance.uniform(2, 5))
            victim = running.pop(chance.randrange(len(running)))
            victim.sigkill()
            running.append(stage.worker(topics))

    report(audit(world, reader))


async def test_a_server_crashes(stage: Stage, second_postgres: EmbeddedPostgres) -> None:
    """All verdicts wait for it, and then fall as they should."""
    topics = await stage.topics(4, 4)
    world = World(22, 1000, topics, WINDOW, GRACE, spread=12)
    for worker in [stage.worker(topics), stage.worker(topics)]:
        await worker.wait_ready()

    async with stage.publishing(world) as reader:
        for _ in range(2):
            await asyncio.sleep(3)
            await second_postgres.kill9()
            await asyncio.sleep(1.5)
            await second_postgres.start()

    report(audit(world, reader))
