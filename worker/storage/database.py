"""The pool of connections to Postgres, and what its errors mean to us."""

from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg

from worker.errors import (
    DatabaseUnavailable,
    KeyTaken,
    ModeConflict,
    RowRefused,
    SchemaNotCurrent,
    SeveralDatabases,
)
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.binary_copy import EPOCH, MICROSECOND, whole
from worker.storage.migrations import HEAD, serves

_SQL = Path(__file__).parent / "sql"

# A worker that is stopped in mid-transaction holds its lane's row: the server must end that
# transaction long before an operator would, or the successor waits for the dead.
_SESSION = {
    "application_name": "plazo",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "20s",
    # Estimates of unnest() are the same for one row and two thousand; a generic plan made for
    # neither may scan a whole table.
    "plan_cache_mode": "force_custom_plan",
    # Every statement looks rows up by their keys, a batch at a time. The planner would rather read
    # a table whole, for each batch, wherever it was not analyzed since it grew: at the start, and
    # after a burst, when it hurts most.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


_FAULTS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that breaks at the wrong moment for the driver
    OSError,
    TimeoutError,
)


@cache
def sql(name: str) -> str:
    """The text of ``sql/<name>.sql``."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as the arrays that a statement unnests."""
    return [list(column) for column in zip(*rows, strict=True)]


def text_array(texts: Collection[str]) -> str:
    """Texts as SQL writes an array: the driver would ask of each whether it is an array itself."""
    # NUL, which none of them holds, parts them until what needs it is escaped.
    escaped = "\0".join(texts).replace("\\", r"\\").replace('"', r"\"")
    return '{"' + escaped.replace("\0", '","') + '"}' if texts else "{}"


class Transaction:
    """One transaction: the statements of ``sql/`` by name."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, name: str, *arguments: object) -> list[Any]:
        """Run a statement and return its rows."""
        rows: list[Any] = await self._connection.fetch(sql(name), *arguments)
        return rows

    async def row(self, name: str, *arguments: object) -> Any | None:
        """Run a statement and return its first row."""
        return await self._connection.fetchrow(sql(name), *arguments)

    async def execute(self, name: str, *arguments: object) -> int:
        """Run a statement and return the number of rows it touched."""
        status: str = await self._connection.execute(sql(name), *arguments)
        return int(status.rsplit(" ", 1)[-1])

    async def execute_each(self, name: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement once for each row, without waiting in between."""
        await self._connection.executemany(sql(name), rows)

    async def copy(
        self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Append rows to a table by binary COPY.

        Raises:
            KeyTaken: one of them is there already.
        """
        with _key_taken():
            await self._connection.copy_records_to_table(table, columns=columns, records=rows)

    async def copy_packed(self, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> None:
        """The same with rows that :mod:`worker.storage.binary_copy` has packed."""
        with _key_taken():
            await self._connection.copy_to_table(
                table, columns=columns, source=whole(rows), format="binary"
            )


@contextmanager
def _key_taken() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError:
        raise KeyTaken("UniqueViolation", "23505") from None


class Store:
    """Connections to one database."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._pool: Any = None

    async def open(self, *, any_schema: bool = False) -> None:
        """Connect and check the schema, unless ``any_schema`` will do.

        Raises:
            DatabaseUnavailable: no connection to be had now.
            SchemaNotCurrent: the schema is older than this worker's.
        """
        await self.close()  # what an attempt before this one has opened
        timeout = self._settings.database_timeout.total_seconds()
        async with self._translated():
            self._pool = await asyncpg.create_pool(
                self._settings.database_url.get_secret_value(),
                min_size=1,
                max_size=self._settings.database_connections,
                timeout=10,
                command_timeout=timeout,
                server_settings=_SESSION,
                init=_prepare,
                reset=_keep,
            )
        try:
            if not any_schema:
                await self._check_schema()
        except BaseException:
            await self.close()
            raise

    async def claim(self, mode: str) -> None:
        """Keep the database for verdicts in this mode.

        Raises:
            ModeConflict: it holds those of another one.
            SeveralDatabases: it holds some lanes only.
            DatabaseUnavailable: try again later.
        """
        async with self.transaction() as tx:
            await tx.execute("claim_mode", mode)
            row = await tx.row("mode")
            if row is None or row["mode"] != mode:
                raise ModeConflict(
                    f"this database is not for mode {mode}: what was rehearsed would count as "
                    "decided. Give each mode its own"
                )
            if placed := await tx.row("lanes_elsewhere"):
                raise SeveralDatabases(
                    f"lanes {placed['lanes']} live in another database than this one, and would "
                    "be decided again: an installation has one database now, so go on with the "
                    "version before, or begin with a new database and new topics"
                )

    async def close(self) -> None:
        """Close every connection; those that do not answer are cut."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    @asynccontextmanager
    async def transaction(self, *, one_snapshot: bool = False) -> AsyncIterator[Transaction]:
        """A transaction, committed when the block ends well.

        With ``one_snapshot`` all its statements see the same instant.

        Raises:
            DatabaseUnavailable: try again later; whether it was committed is not known.
            RowRefused: Postgres refuses a value; nothing was written.
        """
        isolation = "repeatable_read" if one_snapshot else None
        async with self._translated(), self._acquire() as connection:
            with _hung_up_on_silence(connection):
                transaction = connection.transaction(isolation=isolation)
                await transaction.start()
                try:
                    yield Transaction(connection)
                except TimeoutError:
                    raise
                except BaseException:
                    await transaction.rollback()
                    raise
                await transaction.commit()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Transaction]:
        """Single statements, each committed by itself."""
        async with self._translated(), self._acquire() as connection:
            with _hung_up_on_silence(connection):
                yield Transaction(connection)

    async def rows(self, name: str, *arguments: object) -> list[Any]:
        """The rows of a single statement.

        Raises: as :meth:`transaction`.
        """
        async with self.session() as session:
            return await session.rows(name, *arguments)

    async def now(self) -> datetime:
        """The server's clock."""
        async with self._translated(), self._acquire() as connection:
            moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
            return moment

    def _acquire(self) -> Any:
        if self._pool is None:  # not open yet, or closed again
            raise DatabaseUnavailable("NotConnected", "08003")
        return self._pool.acquire(timeout=10)

    def observe(self) -> None:
        """Set the gauges of the pool."""
        idle = self._pool.get_idle_size() if self._pool is not None else 0
        size = self._pool.get_size() if self._pool is not None else 0
        self._metrics.pool.labels("idle").set(idle)
        self._metrics.pool.labels("busy").set(size - idle)

    async def schema(self) -> str:
        """The version of the database's schema, or ``none``."""
        try:
            async with self.session() as session:
                row = await session.row("schema_version")
        except DatabaseUnavailable as error:
            if error.sqlstate != "42P01":  # no such table: a new database
                raise
            row = None
        return str(row["version_num"]) if row else "none"

    async def _check_schema(self) -> None:
        found = await self.schema()
        if not serves(found):
            raise SchemaNotCurrent(
                f"the database's schema is {found}, this worker needs {HEAD}: run `plazo migrate`"
            )

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Turn the driver's errors into ours: theirs may quote a row, and so personal data."""
        try:
            yield
        except _FAULTS as error:
            state = getattr(error, "sqlstate", None) or "-"
            kind = _kind(error, state)
            self._metrics.database_errors.labels(kind).inc()
            if kind == "readonly" and self._pool is not None:
                # A primary that became a standby: the pool would hand it out for ever.
                await self._pool.expire_connections()
            fault = RowRefused if kind == "data" else DatabaseUnavailable
            raise fault(type(error).__name__, state) from None
        except (OverflowError, UnicodeError) as error:  # a value the wire format cannot carry
            self._metrics.database_errors.labels("data").inc()
            raise RowRefused(type(error).__name__, "22000") from None


@contextmanager
def _hung_up_on_silence(connection: Any) -> Iterator[None]:
    """A server that did not answer would be waited for once more, to roll back or to cancel."""
    try:
        yield
    except TimeoutError:
        connection.terminate()
        raise


async def _prepare(connection: Any) -> None:
    # The driver's own codec takes 1 us for an instant, more than pydantic for a whole field.
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", format="tuple", encoder=_to_wire, decoder=_from_wire
    )


async def _keep(_connection: Any) -> None:
    """Nothing outlives a transaction here, so that nothing needs resetting after each."""


def _to_wire(moment: datetime) -> tuple[int]:
    return ((moment - EPOCH) // MICROSECOND,)


def _from_wire(wire: tuple[int]) -> datetime:
    return EPOCH + MICROSECOND * wire[0]


def _kind(error: Exception, state: str) -> str:
    """Class of a database error, by SQLSTATE.

    Only what a value in a row can cause is ``data``. A breach of integrity (class 23) is not: it
    would mean a fault of ours, and must stop the lane rather than refuse the record.
    """
    if state == "25006":
        return "readonly"
    if state.startswith(("22", "54")) or isinstance(error, ValueError):
        return "data"
    if state == "-" or state.startswith(("08", "25P", "40", "53", "55", "57", "58")):
        return "transient"
    return "other"
