"""What an earlier version wrote keeps its meaning when the schema moves on to today's."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

import schemas
from worker.observability.metrics import Metrics
from worker.operations.explanation import document
from worker.operations.order_history import load
from worker.operations.outlook import look_ahead
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate
from worker.storage.migrations import HEAD, STEPS

NOW = datetime.now(UTC)
DUE = NOW + timedelta(hours=2)
ENTERED = DUE - timedelta(hours=24)
FIRST, *LATER = STEPS
# The first schema, that of the contract 0.1.0, and the one before today's.
FROM = [FIRST, "0007", [*STEPS][-2]]
RELEASED = Path(schemas.__file__).parent / "released" / "0.1.0"
ORDERS = ("silent", "handled", "garbled", "cancelled")


async def write_as_the_first_version(connection: asyncpg.Connection) -> None:
    """Orders that wait, one whose record was refused, and one that was cancelled."""
    await connection.execute("INSERT INTO lanes (lane, epoch, sequence) VALUES (0, 3, 1)")
    await connection.execute("INSERT INTO published VALUES (0, 1)")
    await connection.execute("INSERT INTO positions VALUES ('orders', 0, 4, $1)", ENTERED)
    for n, order in enumerate(ORDERS):
        await connection.execute(
            """INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at,
                policy, at_lapse, topic, partition, "offset", received_at)
            VALUES ($1, 0, 's-1', 'courier', $2, $3, $3,
                'default', 'auto-cancel', 'orders', 0, $4, $2)""",
            order, ENTERED, DUE, n,
        )  # fmt: skip
    await connection.execute("INSERT INTO deadlines SELECT lane, fires_at, order_id FROM orders "
                             "WHERE order_id <> 'cancelled'")  # fmt: skip
    await connection.execute(
        """INSERT INTO acts VALUES
            ('handled', 'start-handling', $1, $1, 'acts', 0, 0, true, NULL, '{}')""",
        ENTERED,
    )  # fmt: skip
    await connection.execute(
        """WITH refused AS (
            INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at,
                error, message, key, value, header_names, header_values)
            VALUES (0, 'acts', 0, 1, $1, $1, 'not-json', 'refused', 'garbled', '{', '{}', '{}')
            RETURNING id)
        INSERT INTO shields SELECT 'garbled', id FROM refused""",
        ENTERED,
    )  # fmt: skip
    await connection.execute(
        """UPDATE orders SET finding = 'silent', outcome = 'auto_cancelled', decided_at = $1,
            decisions = 1 WHERE order_id = 'cancelled'""",
        ENTERED,
    )  # fmt: skip
    value = (RELEASED / "samples/auto-cancel.json").read_text("utf-8")
    await connection.execute(
        """INSERT INTO decisions VALUES (0, 1, 'cancelled', 1, gen_random_uuid(), 'auto-cancel',
            'stock-not-validated', NULL, $1, $2)""",
        ENTERED, value,
    )  # fmt: skip


@pytest.mark.parametrize("version", FROM)
async def test_rows_of_the_first_version_keep_their_meaning(database: str, version: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(STEPS[FIRST].read_text())
        await write_as_the_first_version(connection)
        for later in LATER:
            if later <= version:
                await connection.execute(STEPS[later].read_text())
        await connection.execute("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
        await connection.execute("INSERT INTO alembic_version VALUES ($1)", version)
        old = await columns(connection)
        before = await rows(connection, old)
        assert await migrate(database) == HEAD
        assert await rows(connection, old) == before
        (action,) = await connection.fetch(
            "SELECT arguments FROM actions WHERE command = 'migrate'"
        )
        assert json.loads(action["arguments"]) == {"before": version, "after": HEAD}
    finally:
        await connection.close()

    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    try:
        told = (await look_ahead(settings, store, hours=24)).total
        assert (told.judged, told.auto_cancels, told.escalations) == (3, 1, 1)
        found = {one: document(one, await load(settings, store, one), False) for one in ORDERS}
    finally:
        await store.close()
    assert [len(found[one]["acts"]) for one in ORDERS] == [0, 1, 0, 0]
    assert len(found["garbled"]["refusals"]) == 1
    (verdict,) = found["cancelled"]["verdicts"]
    assert (verdict["kind"], verdict["sequence"]) == ("auto-cancel", 1)
    assert found["cancelled"]["order"]["outcome"] == "auto_cancelled"


async def columns(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """Those of each table that is there, but of the version itself."""
    found = await connection.fetch(
        """SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) AS columns
        FROM information_schema.columns
        JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' GROUP BY table_name"""
    )  # fmt: skip
    return {row["table_name"]: row["columns"] for row in found
            if row["table_name"] not in ("alembic_version", "actions")}  # fmt: skip


async def rows(
    connection: asyncpg.Connection, of: dict[str, list[str]]
) -> dict[str, list[tuple[object, ...]]]:
    """All rows of these tables, in these columns."""
    found = {}
    for table, names in of.items():
        listed = ", ".join(f'"{name}"' for name in names)
        read = await connection.fetch(f'SELECT {listed} FROM "{table}"')
        found[table] = sorted((tuple(row) for row in read), key=repr)
    return found
