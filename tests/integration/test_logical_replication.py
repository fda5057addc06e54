"""The tables can be replicated as rows: for a major upgrade of Postgres, and to move a schema."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.support.waiting import eventually
from worker.dev.postgres import EmbeddedPostgres
from worker.storage.migrate import migrate

# Tables of which a DELETE or UPDATE cannot be published: nothing says which row it was.
WITHOUT_IDENTITY = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND CASE c.relreplident
        WHEN 'd' THEN NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
        WHEN 'n' THEN true
        ELSE false END
"""


async def test_each_table_says_which_row_was_changed(connection: Any) -> None:
    assert not [row["relname"] for row in await connection.fetch(WITHOUT_IDENTITY)]


@pytest.fixture
async def publisher() -> AsyncIterator[EmbeddedPostgres]:
    async with EmbeddedPostgres(settings={"wal_level": "logical"}) as server:
        yield server


async def test_rows_are_replicated_and_forgotten(
    publisher: EmbeddedPostgres, database: str
) -> None:
    """Into another server whose schema has been migrated, as for an upgrade of Postgres."""
    await migrate(publisher.url)
    await migrate(database)
    ours, theirs = await asyncpg.connect(publisher.url), await asyncpg.connect(database)
    await theirs.execute("TRUNCATE installation, alembic_version, actions")
    await ours.execute("CREATE PUBLICATION plazo FOR ALL TABLES")
    await theirs.execute(
        f"CREATE SUBSCRIPTION plazo CONNECTION '{publisher.url}' PUBLICATION plazo"
    )
    await ours.execute(
        "INSERT INTO acts SELECT 'o', 'canceled', now(), now(), 't', 0, n, NULL, NULL, '{}' "
        "FROM generate_series(1, 3) AS n"
    )
    try:
        for kept in (3, 2):

            async def arrived(kept: int = kept) -> bool:
                return bool(await theirs.fetchval("SELECT count(*) FROM acts") == kept)

            await eventually(arrived, 30)
            await ours.execute('DELETE FROM acts WHERE "offset" = 1')
        version = "SELECT version_num FROM alembic_version"

        async def copied() -> bool:
            return bool(await theirs.fetchval(version) == await ours.fetchval(version))

        await eventually(copied, 30)
    finally:
        await theirs.execute("DROP SUBSCRIPTION plazo")
        await ours.close()
        await theirs.close()
