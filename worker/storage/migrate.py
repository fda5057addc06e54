"""Brings the schema up to date, under a lock: several processes may start it at once."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from worker.errors import DatabaseUnavailable, PlazoError
from worker.storage.migrations import HEAD, VERSIONS
from worker.storage.statements import sql

# Any constant that no other program uses on this database.
_LOCK = 0x506C617A6F

# A step that waits for the lock of a table holds up all later statements on it, those of workers
# too. So it gives up soon, lets them through, and starts again, for as long as a slow report takes.
_LOCK_TIMEOUT = "2s"
_TRY_FOR = 120.0
_PAUSE = 1.0
_LOCK_NOT_AVAILABLE = "55P03"


async def migrate(database_url: str, *, by: str = "a job") -> str:
    """Apply every missing step and return the revision of the schema.

    Workers may run: where a table is locked, a step waits without holding up others. ``by`` is the
    author that is recorded with the action.

    Raises:
        DatabaseUnavailable: the database cannot be reached, or refuses a step.
    """
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(
        url, poolclass=NullPool, async_creator=lambda: asyncpg.connect(database_url)
    )

    async def upgrade() -> None:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade, by)
            await connection.commit()

    try:
        await _until_unlocked(upgrade)
        return HEAD
    finally:
        await engine.dispose()


async def grant(database_url: str, statements: str) -> None:
    """Run grants.sql, which is one transaction; safe beside workers and when repeated.

    Raises:
        DatabaseUnavailable: as ``migrate``.
        PlazoError: a role does not exist.
    """

    async def run() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            # Of the session: it goes with the connection. Two at once would fail.
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            await connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
            await connection.execute(statements)
        except asyncpg.UndefinedObjectError:
            raise PlazoError("a role does not exist: run roles.sql first") from None
        finally:
            await connection.close()

    await _until_unlocked(run)


async def _until_unlocked(step: Callable[[], Awaitable[None]]) -> None:
    """Run a step of the owner; again, while a table that it needs is locked."""
    give_up_at = time.monotonic() + _TRY_FOR
    while True:
        try:
            return await step()
        except (asyncpg.PostgresError, DBAPIError, OSError) as error:
            cause = getattr(error, "orig", error)
            state = getattr(cause, "sqlstate", None) or "-"
            if state != _LOCK_NOT_AVAILABLE or time.monotonic() > give_up_at:
                raise DatabaseUnavailable(type(cause).__name__, state) from None
        await asyncio.sleep(_PAUSE)


def _upgrade(connection: Connection, by: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.attributes["connection"] = connection
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    # Not before: our own lock is waited for as long as another migration takes.
    connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
    before = MigrationContext.configure(connection).get_current_revision()
    command.upgrade(config, "head")
    if before != HEAD:
        arguments = json.dumps({"before": before, "after": HEAD})
        driver = connection.connection.dbapi_connection
        assert driver is not None
        driver.run_async(lambda d: d.execute(sql("record_action"), by, "migrate", arguments))
