"""Orders that wait for a clock, though the act that starts it is stored."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import asyncpg
import pytest
from pydantic import SecretStr

from worker.decide.waiting import LOOK_AGAIN, notice_waiting
from worker.lanes.lane import Lane
from worker.observability.metrics import Metrics
from worker.runtime.lane_tasks import LaneTasks
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

LOAD = """
INSERT INTO orders (order_id, lane, received_at, due) VALUES
    ('waits in vain', 0, now(), NULL), ('waits', 0, now(), NULL), ('was paid', 0, now(), NULL),
    ('has a deadline', 0, now(), now()), ('elsewhere', 1, now(), NULL), ('stub', NULL, now(), NULL);
INSERT INTO acts (order_id, status, occurred_at, received_at, topic, partition, "offset", body)
SELECT order_id, status, now(), now(), 't', 0, row_number() OVER (), '{}' FROM (VALUES
    ('waits in vain', 'ready-for-handling'), ('was paid', 'payment-approved'),
    ('has a deadline', 'ready-for-handling'), ('elsewhere', 'ready-for-handling'),
    ('stub', 'ready-for-handling')
) AS told (order_id, status)
"""


@pytest.fixture
async def lane(database: str) -> AsyncIterator[Lane]:
    await migrate(database)
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(LOAD)
    finally:
        await connection.close()
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    try:
        lane = Lane(0, store, Metrics(settings))
        await lane.acquire("me")
        yield lane
    finally:
        await store.close()


async def noticed(lane: Lane) -> list[tuple[int, str]]:
    async with lane.database.transaction() as tx:
        rows = await tx._connection.fetch("SELECT lane, order_id FROM notices ORDER BY order_id")
    return [(row["lane"], row["order_id"]) for row in rows]


async def test_all_are_noticed_at_a_take_over(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.decide.waiting._PAGE", 2)
    assert await notice_waiting(lane) == 3
    assert await noticed(lane) == [(0, "waits"), (0, "waits in vain"), (0, "was paid")]


class Clock:
    """One that stops a lane at its third sleep."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self.slept: list[float] = []
        self._stopping = stopping

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == 3:
            self._stopping.set()


def tasks_of(lane: Lane, clocks: set[str]) -> LaneTasks:
    tasks = object.__new__(LaneTasks)
    tasks._lane, tasks._stopping, tasks._noticed = lane, asyncio.Event(), asyncio.Event()
    tasks._clock = Clock(tasks._stopping)  # type: ignore[assignment]
    tasks._services = SimpleNamespace(policies=SimpleNamespace(clocks=clocks))  # type: ignore[assignment]
    return tasks


async def test_those_that_wait_in_vain_are_noticed_now_and_then(lane: Lane) -> None:
    tasks = tasks_of(lane, {"ready-for-handling", "assigned"})
    await tasks._look_again()
    assert tasks._clock.slept == [LOOK_AGAIN] * 3  # type: ignore[attr-defined]
    assert await noticed(lane) == [(0, "waits in vain")] * 2
    assert tasks._noticed.is_set()


async def test_where_none_waits_in_vain_nothing_happens(lane: Lane) -> None:
    tasks = tasks_of(lane, {"assigned"})
    await tasks._look_again()
    assert await noticed(lane) == []
    assert not tasks._noticed.is_set()
    await tasks_of(lane, set())._look_again()  # no policy has a clock: it ends at once
