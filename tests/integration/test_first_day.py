"""The first day of an installation: it cancels nothing that it cannot have seen."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import asyncpg

from tests.support.market import Market, now
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

NewWorker = Callable[..., WorkerProcess]
DAY = timedelta(days=1)


async def test_history_is_kept_and_doubt_goes_to_a_person(
    new_worker: NewWorker, topics: Topics, market: Market, database: str
) -> None:
    worker = new_worker(topics, before_adoption="keep", stock_window="PT1H", grace="PT1S")
    await worker.start().wait_ready()
    window = timedelta(hours=1)
    await market.publish(
        market.order("old", now() - 400 * DAY),
        # Its deadline is ahead, and nobody knows what was told of it before the topics were.
        market.order("open", now() - window + timedelta(seconds=5)),
    )
    await market.told("open escalation evidence-incomplete")

    async def kept() -> bool:
        connection = await asyncpg.connect(database)
        try:
            row = await connection.fetchrow(
                "SELECT outcome, (SELECT sum(before_adoption) FROM lanes) FROM orders "
                "WHERE order_id = 'old'"
            )
        finally:
            await connection.close()
        return row is not None and tuple(row) == ("before-adoption", 1)

    await eventually(kept, 20)
    check = new_worker(topics, arguments=("check",))
    await check.start().wait()
    assert "1 order was over before" in check.output
    assert await worker.sigterm() == 0
    again = new_worker(topics, before_adoption="keep", stock_window="PT1H", grace="PT1S")
    await again.start().wait_ready()
    assert '"orders_before_adoption": 1' in again.output.replace('":1', '": 1')


async def test_history_is_escalated_or_decided_on_request(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    await market.publish(market.order("old", now() - 400 * DAY))
    first = new_worker(topics, before_adoption="escalate")
    await first.start().wait_ready()
    await market.told("old escalation before-adoption")
    assert await first.sigterm() == 0


async def test_an_order_with_too_little_of_its_window_left_enters_late(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    settings = {"before_adoption": "keep", "stock_window": "PT6S", "grace": "PT1S"}
    await market.publish(market.act("other", "handling"))
    reaches_back_to = now()
    await new_worker(topics, **settings, least_window="PT4S").start().wait_ready()
    await asyncio.sleep((reaches_back_to + timedelta(seconds=4) - now()).total_seconds())
    await market.publish(market.order("late", now() - timedelta(seconds=3)), market.order("soon"))
    await market.told("late escalation entered-late", "soon auto-cancel stock-not-validated")
