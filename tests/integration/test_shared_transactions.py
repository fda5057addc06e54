"""Small batches of several lanes share a transaction, and none of them suffers from another."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from pydantic import SecretStr

from worker.clock import Clocks, SystemClock
from worker.domain.policy import Policies, Policy
from worker.errors import DatabaseUnavailable, Fenced, RowRejected
from worker.ingest.dead_letter_limit import DeadLetterLimit
from worker.ingest.rows import Rows
from worker.ingest.share import Share
from worker.ingest.writer import Writer
from worker.lanes.lane import Lane
from worker.observability.metrics import Metrics
from worker.records import Batch, Mark, Partition
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORDERS, ACTS = "orders", "acts"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'plazo'"


class Site:
    """Lanes of one worker on a real Postgres."""

    def __init__(self, database: Database, settings: Settings) -> None:
        clock = SystemClock()
        policies = Policies.of(Policy("default", timedelta(days=1), timedelta(0)))
        self.database = database
        self.metrics = Metrics(settings)
        self.writer = Writer(
            database, clock, Clocks(clock), self.metrics, policies, DeadLetterLimit(0.5, 100),
            None, ORDERS,
        )  # fmt: skip

    async def lane(self, number: int, owner: str = "me") -> Lane:
        lane = Lane(number, self.database, self.metrics)
        await lane.acquire(owner)
        for topic in (ORDERS, ACTS):
            await lane.start_position((topic, number), 0, None)
        return lane

    def share(
        self, lane: Lane, *orders: str, acts: Sequence[str] = (), ready: Sequence[str] = ()
    ) -> Share:
        """A batch of these orders, and of acts about others."""
        rows = Rows(NOW)
        topic = ORDERS if orders else ACTS
        partition: Partition = (topic, lane.number)
        offset = lane.positions[partition]
        for order_id in orders:
            rows.home = partition
            rows.orders[order_id] = (
                order_id, "s", "courier", NOW, NOW, NOW, "default", 1, "auto-cancel", None, None,
                None, "9.5", "EUR", offset,
            )  # fmt: skip
        for order_id in (*acts, *ready):
            said = (None, None, None, b"{}")
            rows.acts.append((order_id, "handling", NOW, *partition, offset, *said))
        rows.touched |= {*acts}
        rows.ready |= {*ready}
        last = {partition: Mark(offset, 1)}
        return Share(lane, Batch(1, {partition: offset + 1}, last), rows)

    async def write(self, *shares: Share) -> list[Any]:
        """Write them together; returns the fault of each."""
        work = (self.writer.write(share) for share in shares)
        faults = await asyncio.gather(*work, return_exceptions=True)
        for share, fault in zip(shares, faults, strict=True):
            if fault is None:
                share.lane.positions.update(share.batch.after)
        return faults


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Site]:
    await migrate(url)
    settings = Settings(database_url=SecretStr(url))
    database = Database(settings, Metrics(settings))
    await database.open()
    try:
        yield Site(database, settings)
    finally:
        await database.close()


async def ask(url: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def entered(url: str) -> dict[str, int | None]:
    return dict(await ask(url, "SELECT order_id, lane FROM orders"))  # type: ignore[arg-type]


async def test_lanes_share_a_transaction(database: str) -> None:
    async with opened(database) as site:
        lanes = [await site.lane(number) for number in range(5)]
        shares = [site.share(lane, f"o{lane.number}") for lane in lanes]
        assert await site.write(*shares) == [None] * 5
    assert await entered(database) == {f"o{number}": number for number in range(5)}
    assert await ask(database, "SELECT count(DISTINCT xmin::text) FROM orders") == [(1,)]
    assert await ask(database, "SELECT count(*) FROM lanes WHERE open_deadlines = 1") == [(5,)]
    moved = "SELECT count(*) FROM positions WHERE next_offset = 1 AND last_offset = 0"
    assert await ask(database, moved) == [(5,)]
    assert [(share.entered, share.timers.armed, share.open_deadlines) for share in shares] == [
        (1, 1, 1)
    ] * 5
    assert all(share.timers.first_fires_at == NOW for share in shares)


async def test_a_lane_that_is_fenced_keeps_no_other_from_its_work(database: str) -> None:
    async with opened(database) as site:
        lanes = [await site.lane(number) for number in range(3)]
        await Lane(1, site.database, site.metrics).acquire("another")
        faults = await site.write(*(site.share(lane, f"o{lane.number}") for lane in lanes))
        assert [type(fault) for fault in faults] == [type(None), Fenced, type(None)]
        # Found out twice, counted once.
        assert site.metrics.fenced._value.get() == 1
    assert await entered(database) == {"o0": 0, "o2": 2}


async def test_a_row_that_postgres_refuses_is_refused_alone(database: str) -> None:
    async with opened(database) as site:
        lanes = [await site.lane(number) for number in range(3)]
        shares = [site.share(lane, f"o{lane.number}") for lane in lanes]
        shares[1].rows.orders["bad"] = ("bad\0", *shares[1].rows.orders.pop("o1")[1:])
        faults = await site.write(*shares)
        assert [type(fault) for fault in faults] == [type(None), RowRejected, type(None)]
    assert await entered(database) == {"o0": 0, "o2": 2}
    moved = await ask(database, "SELECT partition FROM positions WHERE next_offset = 1 ORDER BY 1")
    assert moved == [(0,), (2,)]


async def test_a_lane_that_waits_for_a_lock_keeps_no_other_waiting(database: str) -> None:
    async with opened(database) as site:
        lanes = [await site.lane(number) for number in range(3)]
        holder = await asyncpg.connect(database)
        held = holder.transaction()
        await held.start()
        await holder.execute("INSERT INTO orders (order_id, received_at) VALUES ('o1', now())")
        began = asyncio.get_running_loop().time()
        tasks = [
            asyncio.create_task(site.writer.write(site.share(lane, f"o{lane.number}")))
            for lane in lanes
        ]
        await asyncio.wait_for(asyncio.gather(tasks[0], tasks[2]), 10)
        took = asyncio.get_running_loop().time() - began
        assert not tasks[1].done()
        await held.rollback()
        await asyncio.wait_for(tasks[1], 10)
        await holder.close()
    assert took >= 1.9, "they were not written together, so this shows nothing"
    assert await entered(database) == {f"o{number}": number for number in range(3)}


async def test_acts_find_the_orders_that_enter_with_them(database: str) -> None:
    async with opened(database) as site:
        home, other, third = [await site.lane(number) for number in range(3)]
        shares = [
            site.share(home, "a"),
            site.share(other, acts=["a", "unknown"]),
            site.share(third, acts=["unknown"]),
        ]
        assert await site.write(*shares) == [None] * 3
        assert [share.noticed for share in shares] == [[], [0], []]
        # An order that two lanes hold has one home.
        both = [site.share(home, "twice"), site.share(other, "twice")]
        assert await site.write(*both) == [None] * 2
        assert [share.entered for share in both] == [1, 0]
        # A stub becomes an order, though the act about it is written beside.
        adopted = [site.share(third, "unknown"), site.share(other, acts=["unknown"])]
        assert await site.write(*adopted) == [None] * 2
        assert [share.entered for share in adopted] == [1, 0]
    assert await entered(database) == {"a": 0, "twice": 0, "unknown": 2}
    notices = await ask(database, "SELECT DISTINCT order_id, lane FROM notices ORDER BY 1")
    assert notices == [("a", 0), ("unknown", 2)]


async def test_an_order_of_another_lane_that_is_ready_again_is_always_looked_at(
    database: str,
) -> None:
    async with opened(database) as site:
        home, other = await site.lane(0), await site.lane(1)
        assert await site.write(site.share(home, "a", "b")) == [None]
        # Its own lane looks at an undecided order by its deadline.
        shares = [site.share(home, ready=["a"]), site.share(other, ready=["b"])]
        assert await site.write(*shares) == [None] * 2
        assert [share.noticed for share in shares] == [[], [0]]
    assert await ask(database, "SELECT order_id FROM notices") == [("b",)]


async def test_a_database_that_is_away_is_told_to_all(database: str) -> None:
    async with opened(database) as site:
        lanes = [await site.lane(number) for number in range(3)]
        shares = [site.share(lane, f"o{lane.number}") for lane in lanes]
        await ask(database, CUT)
        faults = await site.write(*shares)
    # A connection that was closed meanwhile is found out by its first statement.
    assert {type(fault) for fault in faults} <= {DatabaseUnavailable, type(None)}
    written = {f"o{lane.number}" for lane, fault in zip(lanes, faults, strict=True) if not fault}
    assert (await entered(database)).keys() == written
