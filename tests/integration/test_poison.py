"""Everything suddenly fails: the lane halts, loudly, and the topic is not emptied into refusals."""

from collections.abc import Callable

import asyncpg

from tests.support.market import Market
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.storage.migrate import migrate

NewWorker = Callable[..., WorkerProcess]
LIMIT = {"dead_letter_limit": "0.1", "dead_letter_window": "100", "batch_size": "5"}


async def test_a_lane_halts_before_it_refuses_too_much_and_goes_on_when_allowed(
    new_worker: NewWorker, market: Market, database: str, topics: Topics
) -> None:
    bad = [(topics.order_created, f"b{n}", b"not JSON") for n in range(50)]
    worker = await new_worker(topics, **LIMIT).start().wait_ready()
    await market.publish(market.order("before"), *bad, market.order("after"), partition=0)
    await _halted(worker)
    status, reason = await worker.get("/readyz")
    assert status == 503
    assert "more than 10 of 100 records" in reason
    assert 0 < await _kept(database) <= 10  # a batch with one too many is not written at all
    assert '"level":"error"' in worker.output.replace(" ", "")
    assert "lane_halted" in worker.output
    # Neither a crash nor another worker begins to count anew.
    worker.sigkill()
    successor = new_worker(topics, **LIMIT).start()
    await _halted(successor)
    assert await _kept(database) <= 10
    # The other partitions are read; their verdicts wait for the proof.
    await market.publish(market.order("elsewhere"), partition=1)
    await eventually(lambda: _known(database, {"before", "elsewhere"}))
    assert await successor.sigterm() == 0
    await new_worker(topics).start().wait_ready()
    await eventually(lambda: _known(database, {"before", "elsewhere", "after"}), 60)
    assert await _kept(database) == 50


async def _halted(worker: WorkerProcess) -> None:
    async def halted() -> bool:
        return (await worker.metrics())["plazo_lanes_halted"] == 1

    await eventually(lambda: worker.get("/metrics"), 10)
    await eventually(halted, 60, "a halted lane")


async def _kept(database: str) -> int:
    connection = await asyncpg.connect(database)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM dead_letters"))
    finally:
        await connection.close()


async def _known(database: str, orders: set[str]) -> bool:
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch("SELECT order_id FROM orders WHERE lane IS NOT NULL")
        return {row["order_id"] for row in rows} == orders
    finally:
        await connection.close()


async def test_rows_that_postgres_refuses_leave_the_rest_of_a_backlog_alone(
    new_worker: NewWorker, market: Market, database: str, topics: Topics
) -> None:
    await migrate(database)
    connection = await asyncpg.connect(database)
    await connection.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '22000'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON acts FOR EACH ROW "
        "WHEN (NEW.order_id IN ('o0', 'o333', 'o899')) EXECUTE FUNCTION refuse()"
    )
    acts = [market.act(f"o{number}", "handling") for number in range(900)]
    await market.publish(market.order("order"), *acts, partition=0)
    worker = await new_worker(topics).start().wait_ready()

    async def all_read() -> bool:
        return await connection.fetchval("SELECT sum(next_offset) FROM positions") == 901

    await eventually(all_read, 60)
    await worker.sigterm()
    refused = await connection.fetch(
        'SELECT error, shields, "offset" FROM dead_letters d, '
        "LATERAL (SELECT array_agg(order_id) AS shields FROM shields WHERE dead_letter = d.id) s "
        'ORDER BY "offset"'
    )
    assert [tuple(row) for row in refused] == [
        ("database", ["o0"], 0),
        ("database", ["o333"], 333),
        ("database", ["o899"], 899),
    ]
    # Each once, though most were read again and again.
    kept = await connection.fetch("SELECT order_id FROM acts WHERE status = 'handling'")
    await connection.close()
    assert sorted(row[0] for row in kept) == sorted(
        {f"o{number}" for number in range(900)} - {"o0", "o333", "o899"}
    )
