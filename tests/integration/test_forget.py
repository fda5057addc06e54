"""``plazo forget``: what may go, what has to stay, and that nobody is cancelled for it."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.observability.metrics import Metrics
from worker.operations.retention import forget
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

SILENT = "auto-cancel stock-not-validated"
TABLES = ("orders", "acts", "decisions", "dead_letters", "shields", "deadlines", "notices")
AGED = """
UPDATE orders SET decided_at = decided_at - interval '100 days',
    received_at = received_at - interval '100 days';
UPDATE acts SET received_at = received_at - interval '100 days';
UPDATE dead_letters SET settled_at = settled_at - interval '100 days';
"""
# Settled a hundred days ago, with a verdict that is published.
SETTLED = """
INSERT INTO orders (order_id, lane, entered_at, due, fires_at, received_at, finding, outcome,
    decided_at, decisions)
VALUES ('old', 0, now(), now(), now(), now(), 'silent', 'auto-cancelled', now(), 1);
INSERT INTO acts VALUES ('old', 'order-created', now(), now(), 't', 0, 0, NULL, NULL, '{}');
INSERT INTO decisions VALUES (0, 1, 'old', 1, gen_random_uuid(), 'auto-cancel',
    'stock-not-validated', NULL, now(), '{}');
INSERT INTO published VALUES (0, 1);
"""
OBSTACLES = {
    "an open deadline": "INSERT INTO deadlines SELECT lane, fires_at, order_id FROM orders",
    "a notice": "INSERT INTO notices (lane, order_id) VALUES (0, 'old')",
    "a verdict that is not published": "UPDATE published SET sequence = 0",
    "no verdict at all": "UPDATE orders SET decided_at = NULL",
    "a verdict since": "UPDATE orders SET decided_at = now() - interval '89 days'",
    "an act since": "UPDATE acts SET received_at = now() - interval '89 days'",
    "a shield": """
        INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at, error,
            message, header_names, header_values, published)
        VALUES (0, 't', 0, 1, now(), now(), 'not-json', '', '{}', '{}', true);
        INSERT INTO shields SELECT 'old', id FROM dead_letters""",
}


@pytest.fixture
async def store(database: str) -> AsyncIterator[Database]:
    await migrate(database)
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    yield store
    await store.close()


async def counts(database: str, *statements: str) -> dict[str, int]:
    connection = await asyncpg.connect(database)
    try:
        for statement in statements:
            await connection.execute(statement)
        return {t: await connection.fetchval(f"SELECT count(*) FROM {t}") for t in TABLES}
    finally:
        await connection.close()


async def forgetting(store: Database, days: int = 90, **more: Any) -> dict[str, int]:
    before = datetime.now(UTC) - timedelta(days=days)
    done = await forget(store, "statuses", before, pause=0, **more)
    return vars(done)


async def test_what_was_settled_long_ago_goes(store: Database, database: str) -> None:
    there = await counts(database, SETTLED, AGED)
    dry = await forgetting(store, dry_run=True)
    assert (dry["looked_at"], dry["orders"]) == (1, 1)
    assert await counts(database) == there
    assert await forgetting(store) == {
        "looked_at": 1, "orders": 1, "acts": 1, "decisions": 1, "dead_letters": 0,
        "unknown_statuses": 0,
    }  # fmt: skip
    assert set((await counts(database)).values()) == {0}
    assert (await forgetting(store))["looked_at"] == 0


@pytest.mark.parametrize("obstacle", OBSTACLES)
async def test_what_still_waits_stays(store: Database, database: str, obstacle: str) -> None:
    there = await counts(database, SETTLED, AGED, OBSTACLES[obstacle])
    assert (await forgetting(store))["orders"] == 0
    assert await counts(database) == there


async def test_an_order_that_is_locked_is_left_for_the_next_time(
    store: Database, database: str
) -> None:
    await counts(database, SETTLED, AGED)
    connection = await asyncpg.connect(database)
    async with connection.transaction():
        await connection.execute("SELECT FROM orders FOR UPDATE")
        assert (await forgetting(store))["orders"] == 0
    await connection.close()
    assert (await forgetting(store))["orders"] == 1


async def test_refusals_go_once_they_are_settled(store: Database, database: str) -> None:
    await counts(
        database,
        """INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at,
            error, message, header_names, header_values, published, settled, settled_at)
        SELECT 0, 't', 0, n, now(), now(), 'not-json', '', '{}', '{}', n <> 1,
            CASE WHEN n > 0 THEN 'discarded' END, CASE WHEN n > 0 THEN now() END
        FROM generate_series(0, 2500) AS n""",
        AGED,
    )
    assert (await forgetting(store))["dead_letters"] == 2499
    assert (await counts(database))["dead_letters"] == 2  # one open, one not published


async def test_a_stub_waits_so_long_and_no_longer(store: Database, database: str) -> None:
    stub = "INSERT INTO orders (order_id, received_at) VALUES ('stub', now())"
    assert (await forgetting(store))["orders"] == 0
    await counts(database, stub, AGED)
    assert (await forgetting(store))["orders"] == 1


async def test_a_forgotten_order_that_comes_again_is_not_cancelled(
    new_worker: Callable[..., WorkerProcess],
    store: Database,
    database: str,
    kafka: Kafka,
    topics: Topics,
) -> None:
    """Its seller was in time, but nobody knows it any more: a person decides."""
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    entered = datetime.now(UTC) - timedelta(days=100)
    worker = await new_worker(topics, stock_window="PT1H", grace="PT0S").start().wait_ready()
    kept, silent = market.order("kept", entered), market.order("silent", entered)
    await market.publish(market.act("kept", "start-handling", entered))
    await market.publish(kept, silent)
    await market.told(f"silent {SILENT}")
    await eventually(lambda: _decided(database, 2), 30)
    await counts(database, AGED)
    before = datetime.now(UTC) - timedelta(days=90)
    done = await forget(store, topics.order_status_changed, before, pause=0)
    assert (done.orders, done.acts) == (2, 3)

    await market.publish(kept)
    await market.told(f"silent {SILENT}", "kept escalation evidence-incomplete")
    assert await worker.sigterm() == 0


async def _decided(database: str, number: int) -> bool:
    connection = await asyncpg.connect(database)
    try:
        sql = "SELECT count(*) FROM orders WHERE decided_at IS NOT NULL"
        return bool(await connection.fetchval(sql) == number)
    finally:
        await connection.close()


async def test_ten_days_of_turnover_take_little_more_room_than_one(
    store: Database, database: str
) -> None:
    """Orders come, are decided and go, hour by hour; vacuum as autovacuum would."""
    sizes = []
    connection = await asyncpg.connect(database)
    try:
        for hour in range(10 * HOURS):
            now = STARTED + timedelta(days=hour / HOURS)
            await _an_hours_orders(connection, now, hour * ORDERS_AN_HOUR)
            await forget(store, "statuses", now - timedelta(days=1), pause=0)
            for table in TABLES:
                await connection.execute(f"VACUUM {table}")
            if hour % HOURS == HOURS - 1:
                sizes.append(await connection.fetchval(SIZE, TABLES))
        orders = await connection.fetchval("SELECT count(*) FROM orders")
    finally:
        await connection.close()
    assert orders <= (HOURS + 1) * ORDERS_AN_HOUR
    print(f"after ten days {sizes[-1] / sizes[0]:.2f} of the size after one")
    assert sizes[-1] < 1.5 * sizes[0]


STARTED = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 12  # in a day
ORDERS_AN_HOUR = 1_000
SIZE = "SELECT sum(pg_total_relation_size(t::regclass))::bigint FROM unnest($1::text[]) AS t"
# As the worker does it: an order with its deadline and an act, later decided and published.
AN_HOURS_ORDERS = (
    """INSERT INTO orders (order_id, lane, seller_id, entered_at, due, fires_at, received_at)
    SELECT 'order-' || n, n % 12, 'seller-' || n % 500, $1, $1, $1, $1
    FROM generate_series($2::int, $2 + $3 - 1) AS n""",
    """INSERT INTO deadlines SELECT lane, fires_at, order_id FROM orders WHERE entered_at = $1""",
    """INSERT INTO acts SELECT order_id, act, $1, $1, 't', lane, 0, NULL, NULL, repeat('x', 300)
    FROM orders, unnest('{order-created,start-handling}'::text[]) AS act WHERE entered_at = $1""",
    """INSERT INTO decisions SELECT lane, $2 + row_number() OVER (), order_id, 1,
        gen_random_uuid(), 'auto-cancel', 'stock-not-validated', NULL, $1, repeat('x', 600)
    FROM orders WHERE entered_at = $1""",
    """UPDATE orders SET finding = 'silent', outcome = 'auto-cancelled', decided_at = $1,
        decisions = 1 WHERE entered_at = $1""",
    """DELETE FROM deadlines WHERE fires_at = $1""",
    """INSERT INTO published SELECT lane, max(sequence) FROM decisions GROUP BY lane
    ON CONFLICT (lane) DO UPDATE SET sequence = excluded.sequence""",
)


async def _an_hours_orders(connection: asyncpg.Connection, now: datetime, first: int) -> None:
    arguments = (now, first, ORDERS_AN_HOUR)
    for statement in AN_HOURS_ORDERS:
        number = max((int(n) for n in re.findall(r"\$(\d)", statement)), default=0)
        await connection.execute(statement, *arguments[:number])
