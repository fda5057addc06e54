"""Questions of people about many orders: bounded in time and in rows, page by page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from worker.errors import DatabaseFault, TooCostly, UnknownPlace
from worker.storage.database import Database
from worker.storage.transaction import Transaction

_T = TypeVar("_T")

# The most rows of a page, and the most time for one statement.
MOST = 1_000
PATIENCE = timedelta(seconds=10)
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, tzinfo=UTC)
_TIMED_OUT = "57014"


@dataclass(frozen=True, slots=True)
class Page(Generic[_T]):
    """Some rows, and the place behind them; ``None``: there are no more."""

    rows: list[_T]
    next: str | None


@asynccontextmanager
async def asking(database: Database, patience: timedelta = PATIENCE) -> AsyncIterator[Transaction]:
    """A transaction of one snapshot whose statements may each take ``patience``.

    Raises:
        TooCostly: a statement took longer.
        DatabaseUnavailable: try again later.
    """
    try:
        async with database.transaction(one_snapshot=True) as tx:
            await tx.row("bound_question", f"{patience.total_seconds() * 1000:.0f}ms")
            yield tx
    except DatabaseFault as error:
        if error.sqlstate != _TIMED_OUT:
            raise
        raise TooCostly(
            f"the answer takes longer than {patience.total_seconds():.0f} s: ask for a shorter "
            "time (--since, --until) or for one seller (--seller)"
        ) from None


def place(moment: datetime, *more: object) -> str:
    """A place in a list, as one word that a link or a command can carry."""
    return "~".join([moment.astimezone(UTC).isoformat().replace("+00:00", "Z"), *map(str, more)])


def place_parts(text: str, number: int) -> tuple[datetime, list[str]]:
    """The parts of a place that has ``number`` of them behind its time.

    Raises:
        UnknownPlace
    """
    moment, *more = text.split("~", number)
    with suppress(ValueError):
        at = datetime.fromisoformat(moment)
        if at.tzinfo is not None and len(more) == number:
            return at, more
    raise UnknownPlace("no such place in the list: begin again without --after")


def page(rows: list[Any], limit: int) -> tuple[list[Any], bool]:
    """The rows to show of one more than those, and whether there are others."""
    return rows[:limit], len(rows) > limit
