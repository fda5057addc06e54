"""A transaction: runs statements by name, and appends packed rows by COPY."""

from collections.abc import Collection, Sequence
from typing import Any

import asyncpg

from worker.errors import KeyTaken
from worker.storage.binary_copy import copy_stream
from worker.storage.statements import sql

# Statements whose plan suits tables of any size, whenever it was made. To plan one for each small
# batch costs Postgres as much as to run it. Others, planned while a table is small, may read it
# whole when it has grown.
PLANNED_ONCE = frozenset({"begin_batch", "enter_orders"})
_PLAN_ANEW = "SET LOCAL plan_cache_mode = 'force_custom_plan'"


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Turn rows into columns: the arrays that a statement unnests."""
    return [list(column) for column in zip(*rows, strict=True)]


def text_array(texts: Collection[str]) -> str:
    """Write texts as a Postgres array literal. The driver would check each text for nesting.

    The texts hold no NUL.
    """
    # So NUL can separate them until their own backslashes and quotes are escaped.
    escaped = "\0".join(texts).replace("\\", r"\\").replace('"', r"\"")
    return '{"' + escaped.replace("\0", '","') + '"}' if texts else "{}"


class Transaction:
    """One transaction, or a session whose statements commit one by one.

    With ``planned_once`` Postgres keeps plans until a statement is not :data:`PLANNED_ONCE`.
    """

    def __init__(self, connection: Any, *, planned_once: bool = False) -> None:
        self._connection = connection
        self._planned_once = planned_once

    @property
    def incarnation(self) -> str:
        """The server that this transaction reaches: another one after a restart or failover."""
        incarnation: str = self._connection.incarnation
        return incarnation

    async def rows(self, name: str, *arguments: object) -> list[Any]:
        """Run a statement and return its rows."""
        await self._plan(name)
        rows: list[Any] = await self._connection.fetch(sql(name), *arguments)
        return rows

    async def row(self, name: str, *arguments: object) -> Any | None:
        """Run a statement and return its first row; ``None`` if it returns none."""
        await self._plan(name)
        return await self._connection.fetchrow(sql(name), *arguments)

    async def execute(self, name: str, *arguments: object) -> int:
        """Run a statement and return the number of rows that it inserted, updated or deleted."""
        await self._plan(name)
        status: str = await self._connection.execute(sql(name), *arguments)
        return int(status.rsplit(" ", 1)[-1])

    async def execute_each(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once for each row, without waiting in between."""
        await self._plan(name)
        await self._connection.executemany(sql(name), rows)

    async def copy_packed(self, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> None:
        """Append rows that :mod:`worker.storage.binary_copy` has packed.

        Raises:
            KeyTaken: the table holds a row with one of these keys; the transaction is void.
        """
        try:
            await self._connection.copy_to_table(
                table, columns=columns, source=copy_stream(rows), format="binary"
            )
        except asyncpg.UniqueViolationError:
            raise KeyTaken("UniqueViolation", "23505") from None

    async def _plan(self, name: str) -> None:
        if self._planned_once and name not in PLANNED_ONCE:
            self._planned_once = False
            await self._connection.execute(_PLAN_ANEW)
