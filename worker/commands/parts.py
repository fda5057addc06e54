"""The parts that commands borrow from the worker, opened for one command and closed after it."""

import asyncio
import getpass
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from worker import logs
from worker.metrics import Metrics
from worker.settings import Settings
from worker.store import Store

_T = TypeVar("_T")


def finish(settings: Settings, work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command to its end. Only what goes wrong is logged."""
    logs.configure("warning", settings.log_format)
    return asyncio.run(work)


@asynccontextmanager
async def open_store(settings: Settings, *, any_schema: bool = False) -> AsyncIterator[Store]:
    """The database.

    Raises:
        DatabaseUnavailable: no connection to be had.
        SchemaNotCurrent: the schema is older or newer than this program.
    """
    store = Store(settings, Metrics(settings))
    await store.open(any_schema=any_schema)
    try:
        yield store
    finally:
        await store.close()


def who(by: str | None) -> str:
    """Who does it: as told, or the user of the machine."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return "unknown"
