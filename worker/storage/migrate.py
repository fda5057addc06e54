"""Brings the schema up to date, under a lock: several processes may start it at once."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import asyncpg

from worker.errors import DatabaseUnavailable, PlazoError, SchemaNotCurrent
from worker.storage.faults import FAULTS
from worker.storage.hosts import Hosts
from worker.storage.migrations import HEAD, STEPS, serves
from worker.storage.statements import sql

T = TypeVar("T")

# Any constant that no other program uses on this database. Each schema makes its own key of it.
_LOCK = 0x506C617A6F

# What may hold a semicolon that ends no statement, and the one that does.
_TOKEN = re.compile(
    r"""--[^\n]* | /\*.*?\*/ | '(?:[^']|'')*' | "[^"]*" | (?P<quote>\$\w*\$).*?(?P=quote)
    | (?P<end>;)""",
    re.DOTALL | re.VERBOSE,
)

# A step that waits for the lock of a table holds up all later statements on it, those of workers
# too. So it gives up soon, lets them through, and starts again, for as long as a slow report takes.
_LOCK_TIMEOUT = "2s"
_TRY_FOR = 120.0
_PAUSE = 1.0
_LOCK_NOT_AVAILABLE = "55P03"


async def migrate(database_url: str, *, by: str = "a job", cell: str | None = None) -> str:
    """Apply every missing step and return the version of the schema, such as ``0015``.

    All steps take effect together, or none does. Workers may run: where a table is locked, a step
    waits without holding up others. ``by`` is the author that is recorded with the action. A schema
    that is newer than this version stays as it is.

    ``cell`` is the name of the schema, which is created if it is missing; without it, the first of
    the role's ``search_path`` serves.

    Raises:
        DatabaseUnavailable: the database cannot be reached, or refuses a step.
        SchemaNotCurrent: the schema has a version that no Plazo ever had.
        PlazoError: the schema is missing, and the role may not create it.
    """

    async def upgrade() -> str:
        connection = await Hosts(database_url).connect(timeout=60)
        try:
            async with connection.transaction():
                return await _upgrade(connection, by, cell)
        finally:
            await connection.close()

    return await _until_unlocked(upgrade)


async def grant(database_url: str, statements: str, *, cell: str | None = None) -> None:
    """Run grants.sql, which is one transaction; safe beside workers and when repeated.

    ``cell`` is the schema, as in ``migrate``.

    Raises:
        DatabaseUnavailable: as ``migrate``.
        PlazoError: a role does not exist.
    """

    async def run() -> None:
        connection = await Hosts(database_url).connect(timeout=60)
        try:
            await connection.execute(sql("lock_session"), _LOCK, cell)
            await connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
            if cell is not None:
                await connection.execute(f'SET search_path = "{cell}"')
            await connection.execute(statements)
        except asyncpg.UndefinedObjectError:
            raise PlazoError("a role does not exist: run roles.sql first") from None
        finally:
            await connection.close()

    await _until_unlocked(run)


async def _until_unlocked(step: Callable[[], Awaitable[T]]) -> T:
    """Run a step of the owner; again, while a table that it needs is locked."""
    give_up_at = time.monotonic() + _TRY_FOR
    while True:
        try:
            return await step()
        except FAULTS as error:
            state = getattr(error, "sqlstate", None) or "-"
            if state != _LOCK_NOT_AVAILABLE or time.monotonic() > give_up_at:
                raise DatabaseUnavailable(type(error).__name__, state) from None
        await asyncio.sleep(_PAUSE)


async def _upgrade(connection: asyncpg.Connection, by: str, cell: str | None) -> str:
    await connection.execute(sql("lock_migration"), _LOCK, cell)
    # Not before: our own lock is waited for as long as another migration takes.
    await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
    if cell is not None:
        await _enter(connection, cell)
    await connection.execute(sql("create_schema_version"))
    found = [str(row["version_num"]) for row in await connection.fetch(sql("schema_version"))]
    before = found[0] if found else None
    if len(found) > 1 or not (before is None or before in STEPS or serves(before)):
        raise SchemaNotCurrent(f"the database's schema is {', '.join(found)}, which is not Plazo's")
    if before is not None and serves(before):
        return before
    for version, step in STEPS.items():
        if before is None or version > before:
            for statement in _statements(step.read_text("utf-8")):
                await connection.execute(statement)
    await connection.execute(sql("replace_schema_version"), HEAD)
    arguments = json.dumps({"before": before, "after": HEAD})
    await connection.execute(sql("record_action"), by, "migrate", arguments)
    return HEAD


async def _enter(connection: asyncpg.Connection, cell: str) -> None:
    """Let the statements of this transaction mean the schema ``cell``; create it if need be."""
    await connection.execute(f'SET LOCAL search_path = "{cell}"')
    if await connection.fetchrow(sql("schema_exists"), cell) is not None:
        return
    try:
        await connection.execute(f'CREATE SCHEMA "{cell}"')
    except asyncpg.InsufficientPrivilegeError:
        raise PlazoError(
            f"there is no schema {cell}, and this role may not create one: as a superuser, run "
            f"`CREATE SCHEMA {cell} AUTHORIZATION` with the role that migrates"
        ) from None


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: not every server takes several in one message."""
    begin = 0
    for token in _TOKEN.finditer(script):
        if token["end"]:
            yield script[begin : token.start()]
            begin = token.end()
    if _TOKEN.sub("", script[begin:]).strip():
        yield script[begin:]
