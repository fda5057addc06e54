"""A pooler before Postgres: by session it serves if the role has our settings; else it is named."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.world import World
from tests.support.pgbouncer import MISSING, PgBouncer
from tests.support.waiting import eventually
from worker.storage.database import _SESSION
from worker.storage.migrate import migrate

from .stage import GRACE, JUDGED, WINDOW, Stage

pytestmark = pytest.mark.skipif(MISSING, reason="pgbouncer is not installed")


async def _set_for_role(stage: Stage) -> None:
    name = urlsplit(stage.database).path[1:]
    await stage.execute(
        *(
            f"ALTER ROLE postgres IN DATABASE {name} SET {setting} = '{value}'"
            for setting, value in _SESSION.items()
            if setting != "application_name"
        )
    )


def _target(stage: Stage) -> int:
    port = urlsplit(stage.database).port
    assert port is not None
    return port


async def test_pooled_by_session_with_the_settings_of_the_role(stage: Stage) -> None:
    """The pooler dies and comes back meanwhile; its sessions to Postgres go with it."""
    topics = await stage.make_topics(created=4, status=4)
    world = World(71, 800, topics, WINDOW, GRACE, spread=24, behaviours=JUDGED)
    await _set_for_role(stage)
    async with PgBouncer(_target(stage), "session") as pooler:
        url = stage.database.replace(f":{_target(stage)}/", f":{pooler.port}/")
        await stage.ready_workers(topics, 2, database_url=url)
        async with stage.publishing(world) as reader:
            await asyncio.sleep(6)
            async with stage.fault("pooler killed"):
                await pooler.kill9()
                await asyncio.sleep(2)
                await pooler.start()
    stage.judge(world, reader)


@pytest.mark.parametrize("ignores", [True, False], ids=["dropped", "refused"])
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_pooler_that_does_not_take_the_settings_is_named(
    stage: Stage, mode: str, ignores: bool
) -> None:
    topics = await stage.make_topics(created=1, status=1)
    async with PgBouncer(_target(stage), mode, ignores=ignores) as pooler:
        url = stage.database.replace(f":{_target(stage)}/", f":{pooler.port}/")
        worker = stage.worker(topics, database_url=url)
        assert await worker.wait(30) == 2
        assert "a pooler" in worker.output


async def test_pooling_by_transaction_is_named(stage: Stage) -> None:
    """Even if the role has the settings: statements that one session prepared, another lacks."""
    topics = await stage.make_topics(created=4, status=4)
    await _set_for_role(stage)
    async with PgBouncer(_target(stage), "transaction") as pooler:
        url = stage.database.replace(f":{_target(stage)}/", f":{pooler.port}/")
        worker = stage.worker(topics, database_url=url)
        await eventually(lambda: "pools by transaction" in worker.output, 60, "its name")
        worker.kill_if_alive()


@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_a_session_in_the_schema_of_another_cell_is_named(stage: Stage, mode: str) -> None:
    """The role has all other settings, and the schema of its own cell."""
    topics = await stage.make_topics(created=1, status=1)
    await _set_for_role(stage)
    name = urlsplit(stage.database).path[1:]
    for cell in ("cell_a", "cell_b"):
        await migrate(stage.database, cell=cell)
    await stage.execute(f"ALTER ROLE postgres IN DATABASE {name} SET search_path = cell_a")
    async with PgBouncer(_target(stage), mode) as pooler:
        url = stage.database.replace(f":{_target(stage)}/", f":{pooler.port}/")
        other = stage.worker(topics, database_url=url, database_schema="cell_b")
        assert await other.wait(30) == 2
        assert "the session settings search_path did not reach Postgres" in other.output
