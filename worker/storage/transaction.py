"""A transaction: runs statements by name, and appends packed rows by COPY."""

from collections.abc import Collection, Sequence
from typing import Any

import asyncpg

from worker.errors import KeyTaken
from worker.storage.binary_copy import copy_stream
from worker.storage.statements import sql


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
    """One transaction, or a session whose statements commit one by one."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def incarnation(self) -> str:
        """The server that this transaction reaches: another one after a restart or failover."""
        incarnation: str = self._connection.incarnation
        return incarnation

    async def rows(self, name: str, *arguments: object) -> list[Any]:
        """Run a statement and return its rows."""
        rows: list[Any] = await self._connection.fetch(sql(name), *arguments)
        return rows

    async def row(self, name: str, *arguments: object) -> Any | None:
        """Run a statement and return its first row; ``None`` if it returns none."""
        return await self._connection.fetchrow(sql(name), *arguments)

    async def execute(self, name: str, *arguments: object) -> int:
        """Run a statement and return the number of rows that it inserted, updated or deleted."""
        status: str = await self._connection.execute(sql(name), *arguments)
        return int(status.rsplit(" ", 1)[-1])

    async def execute_each(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once for each row, without waiting in between."""
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
