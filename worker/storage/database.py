"""The pool of connections to Postgres: sessions and transactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

import asyncpg

from worker.errors import DatabaseUnavailable, RowRejected, SchemaNotCurrent, SessionNotKept
from worker.observability.labels import Connection, FaultKind
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.binary_copy import EPOCH, MICROSECOND
from worker.storage.faults import FAULTS, fault_kind, translated
from worker.storage.hosts import Hosts
from worker.storage.migrations import HEAD, serves
from worker.storage.statements import sql
from worker.storage.transaction import Transaction

# A worker that is stopped in mid-transaction holds its lane's row. The server must end that
# transaction long before an operator would, or the lane's next owner waits for a dead process.
_SESSION = {
    "application_name": "plazo",
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "20s",
    # A connection of the pool may rest for minutes.
    "idle_session_timeout": "0",
    # A verdict that was published must not be lost by the database, nor may the lanes wait for each
    # other as if they were one: whatever the server, the database or the role has as its default.
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    # Estimates of unnest() are the same for one row and two thousand; a generic plan made for
    # neither may scan a whole table.
    "plan_cache_mode": "force_custom_plan",
    # Every statement looks up rows by their keys, a batch at a time. While a table has grown since
    # its last ANALYZE, the planner prefers to read it whole for each batch: at the start and after
    # a burst, when that costs most.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}


# Of sessions that only look: they can change nothing, and no statement of theirs lasts. Set by a
# statement: a pooler that refuses other settings at the start of a session lets it through.
_LOOKING = {
    "application_name": "plazo-board",
    "default_transaction_read_only": "on",
    "statement_timeout": "3s",
}


_BEGIN, _COMMIT, _ROLLBACK = "BEGIN", "COMMIT", "ROLLBACK"
# Settings of one transaction, sent with its BEGIN.
_ONE_SNAPSHOT = " ISOLATION LEVEL REPEATABLE READ"
# Short: a take-over looks for a frozen owner again instead of waiting for its lock, and lanes that
# share a transaction go apart.
_IMPATIENT = "; SET LOCAL lock_timeout = '2s'"
_KEPT_PLANS = "; SET LOCAL plan_cache_mode = 'force_generic_plan'"

# Seconds for a connection.
_PATIENCE = 10.0


class Database:
    """Connections to one database.

    With ``looking`` they read only, no statement lasts, and none stays open that nobody uses.
    ``connections`` is their greatest number and ``timeout`` the most seconds for a statement or for
    a connection, if not those of the settings.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        looking: bool = False,
        connections: int | None = None,
        timeout: float | None = None,
    ) -> None:
        self._settings = settings
        self._connections = connections or settings.database_connections
        self._timeout = timeout or settings.database_timeout.total_seconds()
        self._patience = timeout or _PATIENCE
        self._metrics = metrics
        self._later = _LOOKING if looking else {}
        # The cell alone: a table that it lacks must not be found in another one.
        cell = settings.database_schema
        self._session = {**_SESSION, **({"search_path": cell} if cell else {})}
        self._pool: Any = None
        self._hosts = Hosts(settings.database_url.get_secret_value())
        # The server that the newest connection reached.
        self.incarnation = ""

    async def open(self, *, any_schema: bool = False) -> None:
        """Connect, and check the schema unless ``any_schema`` is set.

        Raises:
            DatabaseUnavailable: no connection is available now.
            SchemaNotCurrent: the schema is older than this worker's.
            SessionNotKept: what lies in between drops the settings of our sessions.
        """
        await self.close()  # the pool of an earlier attempt
        async with self._translated(), _settings_taken():
            self._pool = await asyncpg.create_pool(
                self._settings.database_url.get_secret_value(),
                connect=self._hosts.connect,
                min_size=0 if self._later else 1,
                max_inactive_connection_lifetime=30 if self._later else 300,
                max_size=self._connections,
                timeout=self._patience,
                command_timeout=self._timeout,
                server_settings=self._session,
                connection_class=_Connection,
                init=self._prepare,
                reset=_skip_reset,
            )
        try:
            if not any_schema:
                await self._check_schema()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every connection at once, without waiting for answers."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    @asynccontextmanager
    async def transaction(
        self, *, one_snapshot: bool = False, impatient: bool = False, planned_once: bool = False
    ) -> AsyncIterator[Transaction]:
        """Open a transaction; commit it when the block ends, roll it back when the block raises.

        With ``one_snapshot`` all its statements see the state of the same moment. If it is
        ``impatient``, it fails when it waits two seconds for a lock. With ``planned_once`` a
        connection keeps the plans of its first statements, see :data:`PLANNED_ONCE`.

        Raises:
            DatabaseUnavailable: try again later; whether it was committed is not known.
            RowRejected: Postgres refuses a value; nothing was written.
        """
        begin = _BEGIN + one_snapshot * _ONE_SNAPSHOT
        begin += impatient * _IMPATIENT + planned_once * _KEPT_PLANS
        async with self._translated(), self._acquire() as connection, self._cut(connection):
            await connection.execute(begin)
            try:
                yield Transaction(connection, planned_once=planned_once)
            except TimeoutError:
                raise
            except BaseException:
                await connection.execute(_ROLLBACK)
                raise
            await connection.execute(_COMMIT)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Transaction]:
        """Open a session whose statements commit one by one.

        Raises: as :meth:`transaction`.
        """
        async with self._translated(), self._acquire() as connection, self._cut(connection):
            yield Transaction(connection)

    async def rows(self, name: str, *arguments: object) -> list[Any]:
        """Run a single statement and return its rows.

        Raises: as :meth:`transaction`.
        """
        async with self.session() as session:
            return await session.rows(name, *arguments)

    async def now(self) -> datetime:
        """Return the time of the server's clock.

        Raises:
            DatabaseUnavailable
        """
        async with self._translated(), self._acquire() as connection:
            moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
            return moment

    async def risky_settings(self) -> list[str]:
        """Settings of the server that are off, though commits may be lost that way.

        Raises:
            DatabaseUnavailable
        """
        async with self._translated():
            # A session of ours has synchronous_commit on; the server's own is asked for here.
            connection = await self._hosts.connect(timeout=10, command_timeout=10)
            try:
                return [row["name"] for row in await connection.fetch(sql("risky_settings"))]
            finally:
                connection.terminate()

    async def _prepare(self, connection: Any) -> None:
        """Make a new connection fit, and see which server it reaches."""
        if self._later:
            await connection.execute(
                sql("set_session"), list(self._later), list(self._later.values())
            )
        wanted = {**self._session, **self._later}
        found = await connection.fetch(sql("session_settings"), list(wanted))
        # A search_path that is set for a role may have its names in quotes.
        if lost := [
            row["name"] for row in found if row["setting"].replace('"', "") != wanted[row["name"]]
        ]:
            raise SessionNotKept(
                f"the session settings {', '.join(lost)} did not reach Postgres, so a pooler drops "
                "them: connect to Postgres itself, or let the pooler pool by session and set them "
                "for the role by ALTER ROLE"
            )
        await _register_codecs(connection)
        try:
            incarnation = await connection.fetchval(sql("incarnation"))
        except asyncpg.PostgresError:
            incarnation = await connection.fetchval(sql("server_start"))
        connection.reached(incarnation)
        if self.incarnation not in ("", incarnation) and self._pool is not None:
            # The others may still reach a server that was replaced.
            await self._pool.expire_connections()
        self.incarnation = incarnation

    @asynccontextmanager
    async def _cut(self, connection: Any) -> AsyncIterator[None]:
        """Cut a connection that times out: to roll back or cancel would wait for it again."""
        try:
            yield
        except TimeoutError:
            connection.terminate()
            if self._pool is not None:
                # If the server is gone without a word, each of the others would time out as well.
                await self._pool.expire_connections()
            raise

    def _acquire(self) -> Any:
        if self._pool is None:  # not open yet, or closed again
            raise DatabaseUnavailable("NotConnected", "08003")
        return self._pool.acquire(timeout=self._patience)

    def observe(self) -> None:
        """Set the gauges of the pool."""
        idle = self._pool.get_idle_size() if self._pool is not None else 0
        size = self._pool.get_size() if self._pool is not None else 0
        self._metrics.pool.labels(Connection.IDLE).set(idle)
        self._metrics.pool.labels(Connection.BUSY).set(size - idle)

    async def schema(self) -> str:
        """Return the version of the database's schema; ``none`` for a database without one.

        Raises:
            DatabaseUnavailable
        """
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
            cell = self._settings.database_schema
            raise SchemaNotCurrent(
                f"the database's schema{f' {cell}' if cell else ''} is {found}, this worker needs "
                f"{HEAD}: run `plazo migrate`"
            )

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Count the driver's errors, and raise ours instead."""
        try:
            yield
        except FAULTS as error:
            kind = fault_kind(error)
            self._metrics.database_errors.labels(kind).inc()
            if kind == FaultKind.READONLY and self._pool is not None:
                # A primary that became a standby: the pool would hand it out forever.
                await self._pool.expire_connections()
            raise translated(error, kind) from None
        except (OverflowError, UnicodeError) as error:  # a value the wire format cannot carry
            self._metrics.database_errors.labels(FaultKind.DATA).inc()
            raise RowRejected(type(error).__name__, "22000") from None


@asynccontextmanager
async def _settings_taken() -> AsyncIterator[None]:
    try:
        yield
    except asyncpg.ProtocolViolationError as error:
        # No Postgres says so: a pooler does, which knows only some settings.
        if "unsupported startup parameter" not in str(error):
            raise
        raise SessionNotKept(
            "a pooler refuses the settings of our sessions: connect to Postgres itself"
        ) from None


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that knows which server it reaches."""

    __slots__ = ("incarnation",)

    def reached(self, incarnation: str) -> None:
        """Keep which server it is. A method: the pool hands out a proxy that takes no values."""
        self.incarnation = incarnation

    async def close(self, *, timeout: float | None = None) -> None:
        """End it without a goodbye, which a server that fell silent would not answer."""
        self.terminate()


async def _register_codecs(connection: Any) -> None:
    # The driver's own codec takes 1 us for a time, more than pydantic for a whole field.
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", format="tuple", encoder=_to_wire, decoder=_from_wire
    )


async def _skip_reset(_connection: Any) -> None:
    """Do nothing: no state of a connection outlives a transaction here."""


def _to_wire(moment: datetime) -> tuple[int]:
    return ((moment - EPOCH) // MICROSECOND,)


# Rows of one batch or one deadline share their times.
@lru_cache(maxsize=1024)
def _from_wire(wire: tuple[int]) -> datetime:
    return EPOCH + MICROSECOND * wire[0]
