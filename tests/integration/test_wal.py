"""What is written only because of how tables are laid out.

The first look at an act, a day later, adds no page to the WAL. A verdict stays in the page of its
order.
"""

from datetime import UTC, datetime

import asyncpg

from tests.support.waiting import eventually
from worker.dev.postgres import EmbeddedPostgres
from worker.storage.migrate import migrate
from worker.storage.statements import sql
from worker.storage.transaction import text_array

# So many are there already that Postgres' own limit, a fifth of the table, is far away.
ESTABLISHED, NEW = 100_000, 11_000
ENTER = """
INSERT INTO acts (order_id, status, occurred_at, received_at, topic, partition, "offset", body)
SELECT n::text, 'order-created', now(), now(), 't', 0, n, '{}'
FROM generate_series($1::int, $2) AS n
"""
VACUUMED = "SELECT autovacuum_count FROM pg_stat_user_tables WHERE relname = 'acts'"
READ = "SELECT count(*) FROM acts WHERE status = 'order-created'"
WRITTEN = """
SELECT coalesce(sum(block_fpi_length), 0)::int
FROM pg_get_wal_block_info($1::pg_lsn, pg_current_wal_insert_lsn())
WHERE relfilenode = pg_relation_filenode('acts'::regclass)
"""

SWEPT, NOW = 5_000, datetime(2026, 1, 5, 12, tzinfo=UTC)
# As wide as those of marketplaces.
ORDERS = """
INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at, policy,
    at_lapse, total, currency, topic, partition, "offset", received_at)
SELECT 'order-' || lpad(n::text, 32, '0'), 0, 'seller-' || n, 'courier', now(), now(), now(),
    'default', 'auto-cancel', 12.5, 'PEN', 'marketplace.order-created', 0, n, now()
FROM generate_series(0, $1::int - 1) AS n
"""
UPDATED = """
SELECT n_tup_upd AS updates, n_tup_hot_upd AS in_place FROM pg_stat_user_tables
WHERE relname = 'orders'
"""


async def test_the_first_reading_of_acts_writes_no_pages() -> None:
    server = EmbeddedPostgres(settings={"autovacuum_naptime": "1s"}, trust=True)
    async with server:
        await migrate(server.url)
        connection = await asyncpg.connect(server.url)
        try:
            assert await connection.fetchval("SHOW data_checksums") == "on", "nothing to see"
            await connection.execute("CREATE EXTENSION pg_walinspect")
            await connection.execute(ENTER, 1, ESTABLISHED)
            await connection.execute("VACUUM (ANALYZE) acts")
            before = await connection.fetchval(VACUUMED)
            await connection.execute(ENTER, ESTABLISHED + 1, ESTABLISHED + NEW)

            async def vacuumed() -> bool:
                return bool(await connection.fetchval(VACUUMED) > before)

            await eventually(vacuumed, 30)
            await connection.execute("CHECKPOINT")
            start = await connection.fetchval("SELECT pg_current_wal_insert_lsn()")
            assert await connection.fetchval(READ) == ESTABLISHED + NEW
            await connection.execute("INSERT INTO traces VALUES ('flushes', 'the', 'WAL')")
            assert await connection.fetchval(WRITTEN, start) == 0
        finally:
            await connection.close()


async def test_a_sweep_updates_orders_in_place(database: str) -> None:
    """A verdict on each order of a page: where the page has room, no index is written."""
    await migrate(database)
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(ORDERS, SWEPT)
        for first in range(0, SWEPT, 500):
            ids = [f"order-{number:032}" for number in range(first, first + 500)]
            async with connection.transaction():
                await connection.execute(
                    sql("update_outcomes"), text_array(ids), "silent", "auto_cancelled", 1, NOW
                )

        async def updated() -> asyncpg.Record:
            await connection.execute("SELECT pg_stat_force_next_flush()")
            await connection.execute("SELECT pg_stat_clear_snapshot()")
            return await connection.fetchrow(UPDATED)

        async def counted() -> bool:
            return bool((await updated())["updates"] >= SWEPT)

        await eventually(counted, 30)
        row = await updated()
        assert row["in_place"] >= 0.85 * row["updates"], dict(row)
    finally:
        await connection.close()
