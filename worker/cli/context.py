"""The parts that commands borrow from the worker, opened for one command and closed after it."""

import asyncio
import getpass
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import typer

from worker.observability import logs
from worker.observability.metrics import Metrics
from worker.operations.format import to_json
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.transaction import Transaction

_T = TypeVar("_T")


def finish(settings: Settings, work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command to its end. Only what goes wrong is logged."""
    logs.configure("warning", settings.log_format)
    return asyncio.run(work)


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database.

    Raises:
        DatabaseUnavailable: no connection to be had.
        SchemaNotCurrent: the schema is older than this program.
    """
    database = Database(settings, Metrics(settings))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def who(by: str | None, *, nobody: str | None = None) -> str:
    """Who does it: as told, or the user of the machine.

    A container's user has no name. Then it is ``nobody``, which is for what a job may do.

    Raises:
        typer.BadParameter: there is no name to be had, and a person must have done it.
    """
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        if nobody is not None:
            return nobody
    raise typer.BadParameter("this machine does not know your name", param_hint="--by")


async def record(tx: Transaction, author: str, command: str, **arguments: object) -> None:
    """Keep who did what, in the transaction that does it; no personal data in ``arguments``."""
    await tx.execute("record_action", author, command, to_json(arguments))
