"""Shared by all commands: the event loop, the database, and the author of an action."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.storage.database import Database

_T = TypeVar("_T")


def finish(settings: "Settings", work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command to its end. Only warnings and errors are logged."""
    import asyncio

    from worker.observability import logs

    logs.configure("warning", settings.log_format)
    return asyncio.run(work)


def run_on_loop(main: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run a coroutine on the fastest event loop that is installed."""
    import asyncio

    try:
        import uvloop
    except ImportError:  # Windows has none
        return asyncio.run(main())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


@asynccontextmanager
async def open_database(settings: "Settings") -> AsyncIterator["Database"]:
    """The database, open for one command.

    Raises:
        DatabaseUnavailable: no connection.
        SchemaNotCurrent: the schema is older than this program.
    """
    from worker.observability.metrics import Metrics
    from worker.storage.database import Database

    database = Database(settings, Metrics(settings))
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def author_of(by: str | None, *, nobody: str | None = None) -> str:
    """The author of an action: the given name, or the user of the machine.

    A container's user has no name. Then it is ``nobody``, for actions that a job may carry out.

    Raises:
        typer.BadParameter: there is no name, and the action needs a person.
    """
    import getpass

    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        if nobody is not None:
            return nobody
    raise typer.BadParameter("this machine does not know your name", param_hint="--by")
