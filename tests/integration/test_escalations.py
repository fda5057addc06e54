"""Orders that an escalation left to a person are counted until somebody acts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.storage.statements import sql

NewWorker = Callable[..., WorkerProcess]
WAITS = 'plazo_waiting_for_person{kind="escalations"}'
AGE = "plazo_escalation_oldest_age_seconds"


async def gauges(worker: WorkerProcess) -> tuple[float, bool]:
    """The number of orders, once the worker has counted; and whether the oldest has an age."""

    async def counted() -> bool:
        return AGE in await worker.metrics()

    await eventually(counted, 30)
    found = await worker.metrics()
    return found[WAITS], found[AGE] > 0


async def test_an_escalated_order_waits_until_an_act_comes(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    entered = now() - timedelta(hours=30)
    worker = await new_worker(topics, grace="PT0S").start().wait_ready()
    wrong = market.act("a", "start-handling", entered, validation={"in_stock": False})
    await market.publish(wrong, market.order("a", entered))
    await market.told("a escalation handling-without-stock")
    assert await worker.sigterm() == 0
    # A worker counts when it takes its lanes, and then once a minute.
    await worker.start().wait_ready()
    await eventually(lambda: _is(worker, (1, True)), 30)
    await market.publish(market.act("a", "canceled"))
    await eventually(lambda: _applied(worker), 30)
    assert await worker.sigterm() == 0
    await worker.start().wait_ready()
    await eventually(lambda: _is(worker, (0, False)), 30)


async def _is(worker: WorkerProcess, wanted: tuple[float, bool]) -> bool:
    return await gauges(worker) == wanted


async def _applied(worker: WorkerProcess) -> bool:
    return (await worker.metrics()).get("plazo_lag_records", 0) == 0


async def decide(
    connection: Any, order: str, hours: float, kind: str = "escalation", ordinal: int = 1,
    revokes: int | None = None,
) -> None:  # fmt: skip
    await connection.execute(
        "INSERT INTO decisions SELECT 0, (SELECT count(*) + 1 FROM decisions), $1, $2, "
        "gen_random_uuid(), $3, 'policy', $4, now() - $5 * interval '1 hour', '{}'",
        order, ordinal, kind, revokes, hours,
    )  # fmt: skip


async def act(connection: Any, order: str, hours: float) -> None:
    await connection.execute(
        "INSERT INTO acts SELECT $1, 'canceled', now(), now() - $2 * interval '1 hour', 't', 0, "
        "(SELECT count(*) FROM acts), NULL, NULL, '{}'",
        order, hours,
    )  # fmt: skip


async def count(connection: Any, *lanes: int) -> tuple[int, float | None]:
    """The number, and the age of the oldest in hours."""
    row = await connection.fetchrow(sql("count_escalations"), list(lanes))
    at = await connection.fetchval("SELECT now()")
    return row["orders"], row["oldest"] and round((at - row["oldest"]) / timedelta(hours=1))


async def test_what_counts(connection: Any) -> None:
    assert await count(connection, 0) == (0, None)
    await decide(connection, "waits", 30)
    await decide(connection, "waits", 20, ordinal=2)  # once more: one order
    await decide(connection, "cancelled", 40, kind="auto-cancel")
    await decide(connection, "old", 24 * 8)
    await decide(connection, "revoked", 50)
    await decide(connection, "revoked", 49, kind="decision-revoked", ordinal=2, revokes=1)
    await decide(connection, "answered", 60)
    await act(connection, "answered", 59)
    await act(connection, "waits", 31)  # before the escalation
    assert await count(connection, 0) == (1, 30)
    assert await count(connection, 1) == (0, None)
    await decide(connection, "another", 2)
    assert await count(connection, 0, 1, 2) == (2, 30)


async def test_the_count_is_bounded(connection: Any) -> None:
    await connection.execute(
        "INSERT INTO decisions SELECT 0, n, n::text, 1, gen_random_uuid(), 'escalation', 'policy', "
        "NULL, now() - n * interval '1 second', '{}' FROM generate_series(1, 20000) n"
    )
    assert (await count(connection, 0))[0] == 10_001
    assert (await count(connection, *range(100)))[0] == 101
