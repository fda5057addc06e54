"""A record that our own code fails on: the lane names it, and a person skips it."""

import json
from collections.abc import Callable
from typing import Any

import asyncpg

from tests.support.market import Market
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.trap import remove_trap, set_trap
from tests.support.waiting import eventually

NewWorker = Callable[..., WorkerProcess]


async def test_a_failing_lane_names_its_record_and_goes_on_once_it_is_skipped(
    new_worker: NewWorker, topics: Topics, market: Market, database: str
) -> None:
    await set_trap(database)
    short = {"stock_window": "PT20S", "grace": "PT0S"}
    orders = [market.order(f"o{n}") for n in range(20)]
    await market.publish(*orders, market.order("bad"), market.order("after"), partition=1)
    worker = new_worker(topics, **short).start()
    place = f"{topics.order_created}/1@20"

    async def failing() -> bool:
        metrics = await worker.metrics()
        return metrics['plazo_guard_held_lanes{reason="failing"}'] == 1

    await eventually(lambda: worker.get("/metrics"), 10)
    await eventually(failing, 60, "a failing lane")
    status, reason = await worker.get("/readyz")
    assert status == 503
    assert f"failing at {place}: CheckViolationError (SQLSTATE 23514)" in reason
    lines = [json.loads(line) for line in worker.output.splitlines() if "lane_failing" in line]
    assert [line["at"] for line in lines] == [place]
    assert await _rows(database, "SELECT count(*) FROM orders") == [(20,)]

    async def plazo(*words: str) -> WorkerProcess:
        command = new_worker(topics, arguments=["lanes", "skip", topics.order_created, *words])
        await command.start().wait()
        return command

    wrong = await plazo("1", "7", "--yes", "--by", "ana")
    assert wrong.exit_code == 1
    assert f"{topics.order_created}/1 stands at 20, not at 7" in wrong.output
    planned = await plazo("1", "20", "--dry-run", "--json")
    assert planned.exit_code == 0, planned.output
    assert json.loads(planned.output) == {"dry_run": True, "readable": True, "shields": ["bad"]}
    assert (await plazo("1", "20")).exit_code == 2
    done = await plazo("1", "20", "--yes", "--by", "ana")
    assert done.exit_code == 0, done.output
    await worker.wait_ready()
    assert (await worker.metrics())['plazo_guard_held_lanes{reason="failing"}'] == 0
    await eventually(lambda: _known(database, "after"), 20)
    query = (
        'SELECT d.error, d."offset", d.key, d.value IS NOT NULL, s.order_id '
        "FROM dead_letters d JOIN shields s ON s.dead_letter = d.id"
    )
    assert await _rows(database, query) == [("skipped", 20, b"bad", True, "bad")]
    done_by = "SELECT author FROM actions WHERE command = 'lanes skip'"
    assert await _rows(database, done_by) == [("ana",)]
    # The order that the record may have named is not cancelled, should it come again.
    await eventually(market.dead_letters, 20)
    await remove_trap(database)
    await market.publish(market.order("bad"), partition=1)
    silent = [f"{name} auto-cancel stock-not-validated" for _, name, _ in orders]
    await market.told(
        *silent,
        "after auto-cancel stock-not-validated",
        "bad escalation unreadable-evidence",
        timeout=60,
    )


async def _known(database: str, order: str) -> bool:
    return bool(await _rows(database, f"SELECT FROM orders WHERE order_id = '{order}'"))


async def _rows(database: str, query: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(database)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
