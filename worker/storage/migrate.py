"""Brings the schema up to date, under a lock: several may start it at once."""

import asyncio
import json
import time

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from worker.errors import DatabaseUnavailable
from worker.storage.migrations import HEAD, VERSIONS
from worker.storage.statements import sql

# Any constant will do, so long as no other program uses it on this database.
_LOCK = 0x506C617A6F

# Whoever waits for the lock of a table makes all wait who come after, workers too. So a step gives
# up soon, lets them through, and begins again, for as long as a slow report may take.
_LOCK_TIMEOUT = "2s"
_TRIES_FOR = 120.0
_PAUSE = 1.0
_NOT_AVAILABLE = "55P03"


async def migrate(database_url: str, *, by: str = "a job") -> str:
    """Apply every missing step and return the revision reached.

    Workers may run: where somebody holds a table, the step waits without holding up others. ``by``
    is who it is recorded as done by.

    Raises:
        DatabaseUnavailable: the database cannot be reached or refuses a step.
    """
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(
        url, poolclass=NullPool, async_creator=lambda: asyncpg.connect(database_url)
    )
    give_up_at = time.monotonic() + _TRIES_FOR
    try:
        while True:
            try:
                async with engine.connect() as connection:
                    await connection.run_sync(_upgrade, by)
                    await connection.commit()
                return HEAD
            except (asyncpg.PostgresError, DBAPIError, OSError) as error:
                cause = getattr(error, "orig", error)
                state = getattr(cause, "sqlstate", None) or "-"
                if state != _NOT_AVAILABLE or time.monotonic() > give_up_at:
                    raise DatabaseUnavailable(type(cause).__name__, state) from None
            await asyncio.sleep(_PAUSE)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, by: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.attributes["connection"] = connection
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    # After our own lock, which may take as long as another migration does.
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    before = MigrationContext.configure(connection).get_current_revision()
    command.upgrade(config, "head")
    if before != HEAD:
        arguments = json.dumps({"before": before, "after": HEAD})
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.run_async(lambda d: d.execute(sql("record_action"), by, "migrate", arguments))
