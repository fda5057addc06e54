"""A worker freezes while it sends rows: its successor ends the session that holds the lane."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg

from tests.support.waiting import eventually
from worker.storage.migrate import migrate
from worker.storage.statements import sql


async def test_a_session_frozen_in_a_copy_is_ended(database: str) -> None:
    """By a worker of its own cell, which is a schema; not by that of another."""
    for cell in ("ours", "other"):
        await migrate(database, cell=cell)
    frozen, working, other = [
        await asyncpg.connect(
            database, server_settings={"application_name": "plazo", "search_path": cell}
        )
        for cell in ("ours", "ours", "other")
    ]
    watcher = await asyncpg.connect(database)
    await frozen.execute("BEGIN")
    await frozen.execute("SELECT FROM lanes FOR UPDATE")  # as each transaction of a lane begins
    stuck = _copy_for_ever(frozen)
    try:
        pid = frozen.get_server_pid()
        await eventually(lambda: _waits_for_rows(watcher, pid), 10)
        assert await working.fetch(sql("end_frozen_sessions")) == [], "it only just began"
        # As if the ten seconds were over.
        hasty = sql("end_frozen_sessions").replace("10 seconds", "0 seconds")
        assert hasty != sql("end_frozen_sessions")
        assert await other.fetch(hasty) == []
        assert [row[0] for row in await working.fetch(hasty)] == [True]
        await eventually(lambda: _is_gone(watcher, pid), 10, "the frozen session is ended")
    finally:
        stuck.cancel()
        with suppress(BaseException):
            await stuck
        for connection in (working, other, watcher):
            await connection.close()
        frozen.terminate()


def _copy_for_ever(connection: asyncpg.Connection) -> asyncio.Task[str]:
    async def rows() -> AsyncIterator[bytes]:
        yield b"half a row"
        await asyncio.Event().wait()

    return asyncio.create_task(
        connection.copy_to_table("acts", source=rows(), columns=["order_id"], format="text")
    )


async def _waits_for_rows(watcher: asyncpg.Connection, pid: int) -> bool:
    query = "SELECT state = 'active' AND wait_event = 'ClientRead' FROM pg_stat_activity"
    return bool(await watcher.fetchval(f"{query} WHERE pid = $1", pid))


async def _is_gone(watcher: asyncpg.Connection, pid: int) -> bool:
    return await watcher.fetchval("SELECT 1 FROM pg_stat_activity WHERE pid = $1", pid) is None
