"""Postgres that dies, will not write or has no room: lanes wait, and nothing takes half effect."""

import asyncio

import asyncpg

from tests.end_to_end.world import World

from .stage import GRACE, WINDOW, Stage


async def test_postgres_is_killed_again_and_again(stage: Stage) -> None:
    topics = await stage.make_topics(created=4, status=6)
    world = World(51, 1000, topics, WINDOW, GRACE, spread=36)
    await stage.ready_workers(topics, 2)

    async with stage.publishing(world) as reader:
        for down in (0.0, 2.0, 0.0, 1.0):
            await asyncio.sleep(5)
            async with stage.fault("Postgres killed"):
                await stage.postgres.kill9()
                await asyncio.sleep(down)
                await stage.postgres.start()

    stage.judge(world, reader)


async def test_postgres_is_read_only_for_a_while(stage: Stage) -> None:
    """A primary became a standby: pooled connections stay good to look at, and useless."""
    topics = await stage.make_topics(created=4, status=4)
    world = World(52, 800, topics, WINDOW, GRACE, spread=26)
    await stage.ready_workers(topics, 2)

    async with stage.publishing(world) as reader:
        await asyncio.sleep(5)
        async with stage.fault("read-only"):
            await _set_read_only(stage, "on")
            await asyncio.sleep(8)
            await _set_read_only(stage, "off")

    stage.judge(world, reader)


async def _set_read_only(stage: Stage, state: str) -> None:
    await stage.execute(
        "SET default_transaction_read_only = off",
        f"ALTER SYSTEM SET default_transaction_read_only = {state}",
        "SELECT pg_reload_conf()",
    )


async def test_every_connection_is_taken_by_others(stage: Stage) -> None:
    """The workers' connections are ended, and others are quicker to the free places."""
    topics = await stage.make_topics(created=4, status=4)
    world = World(53, 800, topics, WINDOW, GRACE, spread=26)
    workers = await stage.ready_workers(topics, 2)
    taken: list[asyncpg.Connection] = []

    async with stage.publishing(world) as reader:
        await asyncio.sleep(5)
        async with stage.fault("no connection to be had"):
            first = await asyncpg.connect(stage.database)
            taken.append(first)
            end = asyncio.get_running_loop().time() + 8
            while asyncio.get_running_loop().time() < end:
                await first.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'plazo'"
                )
                try:
                    while True:
                        taken.append(await asyncpg.connect(stage.database))
                except asyncpg.TooManyConnectionsError:
                    await asyncio.sleep(0.05)
            assert all([(await one.get("/livez"))[0] == 200 for one in workers])
            for connection in taken:
                await connection.close()

    assert len(taken) > 40
    stage.judge(world, reader)


async def test_the_disk_is_full_for_a_while(stage: Stage) -> None:
    """First where records are written, then where verdicts are."""
    topics = await stage.make_topics(created=4, status=6)
    world = World(54, 1000, topics, WINDOW, GRACE, spread=34)
    await stage.ready_workers(topics, 2)

    async with stage.publishing(world) as reader:
        await stage.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE 'could not extend file' USING ERRCODE = '53100'; END $$"
        )
        for table in ("acts", "decisions", "published"):
            await asyncio.sleep(4)
            async with stage.fault(f"disk full for {table}"):
                await stage.execute(
                    f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {table} "
                    "FOR EACH STATEMENT EXECUTE FUNCTION full_disk()"
                )
                await asyncio.sleep(4)
                await stage.execute(f"DROP TRIGGER full_disk ON {table}")

    stage.judge(world, reader)
