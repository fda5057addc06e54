"""Workers see in Postgres who runs, who is gone, and who has a name."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from tests.support.waiting import eventually
from worker.clock import SystemClock
from worker.observability.health import Health
from worker.observability.metrics import Metrics
from worker.runtime.membership import Membership
from worker.runtime.presence import Presence
from worker.settings import Settings
from worker.storage.migrate import migrate


class Group:
    """What a consumer does for a presence."""

    def __init__(self, name: str) -> None:
        self.member_id = f"member-of-{name}"
        self.removed: list[str] = []

    async def remove(self, member_id: str) -> None:
        self.removed.append(member_id)


class Process:
    """The presence of one worker."""

    def __init__(self, url: str, owner: str, **more: Any) -> None:
        settings = Settings(_env_file=None, database_url=url, **{"session_timeout": "PT10S"} | more)
        self.metrics = Metrics(settings)
        services: Any = SimpleNamespace(
            settings=settings, metrics=self.metrics, clock=SystemClock(), owner=owner
        )
        self.membership = Membership(services, Health())
        self.group: Any = Group(owner)
        self.membership.consumer = self.group
        self.presence = Presence(services, self.membership)
        self.task = asyncio.create_task(self.presence.run())

    async def stop_beating(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def crash(self) -> None:
        await self.stop_beating()
        await self.presence._database.close()

    async def end(self) -> None:
        await self.stop_beating()
        await self.presence.release()


Start = Callable[..., Process]


@pytest.fixture
async def start(database: str) -> AsyncIterator[Start]:
    await migrate(database)
    processes: list[Process] = []

    def make(owner: str, **more: Any) -> Process:
        processes.append(Process(database, owner, **more))
        return processes[-1]

    yield make
    for process in processes:
        await process.crash()


@pytest.fixture
async def rows(database: str) -> AsyncIterator[Callable[[], Awaitable[dict[str, Any]]]]:
    connection = await asyncpg.connect(database)

    async def read() -> dict[str, Any]:
        return {row["name"]: row for row in await connection.fetch("SELECT * FROM workers")}

    yield read
    await connection.close()


async def test_a_crashed_worker_is_removed_once_by_the_others(start: Start, rows: Any) -> None:
    first, second, third = start("a"), start("b"), start("c")
    await eventually(lambda: _known(rows, "a", "b", "c"))
    loop = asyncio.get_running_loop()
    await first.crash()
    crashed_at = loop.time()
    await eventually(lambda: second.group.removed or third.group.removed, 10)
    assert loop.time() - crashed_at < 4, "half of the session time-out is 5 s"
    await eventually(lambda: _removed(rows, "a"))
    assert {*second.group.removed, *third.group.removed} == {"member-of-a"}
    removals = second.metrics.members_removed, third.metrics.members_removed
    assert sum(one._value.get() for one in removals) >= 1


async def test_workers_that_lose_their_sessions_live(
    start: Start, rows: Any, postgres: Any, database: str
) -> None:
    """Somebody ends all sessions, as a failover does: those who beat again are not gone."""
    first, second = start("a"), start("b")
    await eventually(lambda: _known(rows, "a", "b"))
    before = await rows()
    connection = await asyncpg.connect(database)
    await connection.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'plazo' AND datname = current_database()"
    )
    await connection.close()

    async def beats_again() -> bool:
        now = await rows()
        return all(now[name]["pid"] != before[name]["pid"] for name in "ab")

    await eventually(beats_again)
    await asyncio.sleep(1.5)
    assert not first.group.removed
    assert not second.group.removed


async def test_a_worker_that_ends_leaves_no_row(start: Start, rows: Any) -> None:
    worker = start("a")
    await eventually(lambda: _known(rows, "a"))
    await worker.end()
    assert not await rows()


async def test_a_second_worker_of_one_name_waits_for_it(start: Start, rows: Any) -> None:
    first = start("a/1", instance="a")
    await eventually(first.membership.allowed.is_set)
    second = start("a/2", instance="a")
    await eventually(lambda: second.membership.waits_for)
    assert second.membership.waits_for == "a/1 runs under the name a"
    assert second.metrics.name_taken._value.get() == 1
    assert not second.membership.allowed.is_set()
    assert not await second.presence._has_name()
    await first.crash()
    await eventually(second.membership.allowed.is_set, 10)
    assert second.metrics.name_taken._value.get() == 0
    assert await second.presence._has_name()
    assert (await rows())["a"]["owner"] == "a/2"


async def test_a_successor_has_the_name_of_a_stopped_worker_at_once(
    start: Start, rows: Any
) -> None:
    first = start("a/1", instance="a")
    await eventually(lambda: _known(rows, "a"))
    await first.end()
    assert (await rows())["a"]["pid"] is None
    second = start("a/2", instance="a")
    await eventually(second.membership.allowed.is_set, 0.9)


async def test_a_worker_that_was_frozen_finds_its_name_taken(start: Start, rows: Any) -> None:
    first = start("a/1", instance="a")
    await eventually(lambda: _known(rows, "a"))
    await first.stop_beating()
    second = start("a/2", instance="a", session_timeout="PT3S")
    await eventually(second.membership.allowed.is_set, 15)
    assert not await first.presence._has_name(), "it must not join the group again"
    first.task = asyncio.create_task(first.presence.run())
    await eventually(lambda: first.membership.waits_for)
    assert not first.membership.allowed.is_set()
    assert first.membership._broken.is_set()


async def _known(rows: Any, *names: str) -> bool:
    found = await rows()
    return found.keys() >= {*names} and all(found[name]["member_id"] for name in names)


async def _removed(rows: Any, name: str) -> bool:
    return (await rows())[name]["member_id"] is None
