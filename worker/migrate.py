"""Brings the schema up to date, under a lock: several may start it at once."""

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from worker.errors import DatabaseUnavailable
from worker.migrations import HEAD, VERSIONS

# Any constant will do, so long as no other program uses it on this database.
_LOCK = 0x506C617A6F


async def migrate(database_url: str) -> str:
    """Apply every missing step and return the revision reached.

    Raises:
        DatabaseUnavailable: the database cannot be reached or refuses a step.
    """
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(
        url, poolclass=NullPool, async_creator=lambda: asyncpg.connect(database_url)
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_upgrade)
            await connection.commit()
    except (asyncpg.PostgresError, DBAPIError, OSError) as error:
        cause = getattr(error, "orig", error)
        raise DatabaseUnavailable(
            type(cause).__name__, getattr(cause, "sqlstate", None) or "-"
        ) from None
    finally:
        await engine.dispose()
    return HEAD


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    config.attributes["connection"] = connection
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    command.upgrade(config, "head")
