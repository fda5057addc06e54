"""Reading does not write: the first look at an act, a day later, adds no page to the WAL."""

import asyncpg

from tests.support.waiting import eventually
from worker.dev.postgres import EmbeddedPostgres
from worker.storage.migrate import migrate

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
