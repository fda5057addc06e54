"""A model of Postgres, as far as the worker relies on it. ``test_model.py`` holds it against
the real one.

Statements are generators that yield the key of each row they must lock. They run at the server,
not in the process that asked: a frozen or killed process leaves its statement running and its
transaction open until the server ends it.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import PROCESS, Process
from tests.simulation.packed import unpacked
from tests.simulation.statements import COPIES, STATEMENTS
from worker.errors import DatabaseUnavailable, KeyTaken, RowRejected

if TYPE_CHECKING:
    from tests.simulation.world import World

IDLE_IN_TRANSACTION = 10.0
LOCK_TIMEOUT = 20.0
IMPATIENT_LOCK_TIMEOUT = 2.0
# Of a statement that fails: a broken connection, a lock time-out, a deadlock, a cancelled
# statement, and one that another transaction got in the way of.
ERRORS = ("08006", "55P03", "40P01", "57014", "40001")

Key = tuple[str, Any]
Statement = Generator[Key, None, Any]

TABLES = (
    "lanes", "published", "positions", "orders", "acts", "order_versions", "deadlines", "notices",
    "decisions",
    "dead_letters", "shields", "deadline_changes", "brake", "brake_counts", "reminders",
)  # fmt: skip


class Fault(Exception):
    """An error of the server, by its SQLSTATE."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class Tx:
    """One transaction at the server."""

    def __init__(self, database: "SimPostgres", owner: Process | None, one_snapshot: bool) -> None:
        self.database = database
        self.owner = owner
        self.one_snapshot = one_snapshot
        self.snapshot: dict[str, dict[Any, Any]] | None = None
        self.writes: dict[str, dict[Any, Any]] = {}
        self.locks: list[Key] = []
        self.ended: str | None = None
        self.failed = False
        self.lock_timeout = LOCK_TIMEOUT
        self.activity = 0.0
        # By the true clock.
        self.began = 0.0

    # What statements use.

    def scan(self, table: str) -> list[Any]:
        """The rows that this statement sees, in the order of their keys."""
        rows = (self.snapshot or self.database.tables)[table]
        own = self.writes.get(table)
        if own:
            rows = {**rows, **own}
            return [row for _, row in sorted(rows.items(), key=_key) if row is not None]
        return [row for _, row in sorted(rows.items(), key=_key)]

    def get(self, table: str, key: Any) -> Any:
        """The row as this statement sees it."""
        own = self.writes.get(table)
        if own is not None and key in own:
            return own[key]
        return (self.snapshot or self.database.tables)[table].get(key)

    def newest(self, table: str, key: Any) -> Any:
        """The newest version of a row that this transaction has locked."""
        own = self.writes.get(table)
        if own is not None and key in own:
            return own[key]
        row = self.database.tables[table].get(key)
        if self.snapshot is not None and self.snapshot[table].get(key) is not row:
            raise Fault("40001")
        return row

    def changes_elsewhere(self, table: str, key: Any) -> bool:
        """Whether another transaction has changed the row, and not only locked it."""
        return any(key in tx.writes.get(table, {}) for tx in self.database.open if tx is not self)

    def put(self, table: str, key: Any, row: Any) -> None:
        self.writes.setdefault(table, {})[key] = row

    def serial(self, table: str) -> int:
        return self.database.serial(table)

    def now(self) -> datetime:
        return self.database.now()


def _key(item: tuple[Any, Any]) -> Any:
    return item[0]


class SimPostgres:
    """The server: committed rows, locks and open transactions."""

    def __init__(self, later: Callable[..., Any], now: Callable[[], datetime]) -> None:
        self.now = now
        self.tables: dict[str, dict[Any, Any]] = {name: {} for name in TABLES}
        # When the installation began; ``None`` is before everything.
        self.adopted_at: datetime | None = None
        self.open: list[Tx] = []
        self.committing: Callable[[Tx], None] = lambda tx: None
        self._later = later
        self._locks: dict[Key, Tx] = {}
        self._waiting: dict[Key, deque[tuple[Tx, Statement, Any]]] = {}
        self._serials: dict[str, int] = {}

    def serial(self, table: str) -> int:
        self._serials[table] = number = self._serials.get(table, 0) + 1
        return number

    def begin(self, owner: Process | None = None, *, one_snapshot: bool = False) -> Tx:
        tx = Tx(self, owner, one_snapshot)
        self.open.append(tx)
        return tx

    def run(
        self, tx: Tx, name: str, arguments: Sequence[Any], done: Callable[[Any, Any], None]
    ) -> None:
        """Run a statement; ``done(result, error)`` is called when it ends."""
        if tx.ended or tx.failed:
            done(None, Fault("25P03" if tx.ended else "25P02"))
            return
        if tx.one_snapshot and tx.snapshot is None:
            tx.snapshot = self.state()
        made = COPIES[name[5:]] if name.startswith("copy ") else STATEMENTS[name]
        self._drive(tx, made(tx, *arguments), done)

    def commit(self, tx: Tx) -> Fault | None:
        if tx.ended or tx.failed:
            self.end(tx, "aborted")
            return Fault("25P03")
        self.committing(tx)
        for table, rows in tx.writes.items():
            committed = self.tables[table]
            for key, row in rows.items():
                if row is None:
                    committed.pop(key, None)
                else:
                    committed[key] = row
        self.end(tx, "committed")
        return None

    def state(self) -> dict[str, dict[Any, Any]]:
        """All committed rows. A row never changes, so this stays what it is."""
        return {name: dict(rows) for name, rows in self.tables.items()}

    def fail_over(self, to: dict[str, dict[Any, Any]]) -> None:
        """A copy that had no later commit takes over; all connections end."""
        for tx in [*self.open]:
            self.end(tx, "aborted")
        self.tables = to

    def end(self, tx: Tx, how: str) -> None:
        """End a transaction and let those go on that wait for its rows."""
        if tx.ended:
            return
        tx.ended = how
        self.open.remove(tx)
        for waiters in self._waiting.values():
            for waiter in [one for one in waiters if one[0] is tx]:
                waiters.remove(waiter)
                waiter[2](None, Fault("57014"))
        for key in tx.locks:
            del self._locks[key]
            self._hand_on(key)
        tx.locks.clear()

    def unlock(self, tx: Tx, key: Key) -> None:
        """Let go of a row that was only waited for."""
        tx.locks.remove(key)
        del self._locks[key]
        self._hand_on(key)

    def waiting(self) -> list[Tx]:
        """Transactions that wait for a row, and so are not idle."""
        return [waiter[0] for waiters in self._waiting.values() for waiter in waiters]

    def _hand_on(self, key: Key) -> None:
        waiters = self._waiting.get(key)
        if waiters:
            tx, statement, done = waiters.popleft()
            self._locks[key] = tx
            tx.locks.append(key)
            self._later(0.0, self._resume, tx, statement, done)

    def _resume(self, tx: Tx, statement: Statement, done: Any) -> None:
        if tx.ended:
            done(None, Fault("57014"))
        else:
            self._drive(tx, statement, done)

    def _drive(self, tx: Tx, statement: Statement, done: Any) -> None:
        try:
            while True:
                key = next(statement)
                owner = self._locks.get(key)
                if owner is None:
                    self._locks[key] = tx
                    tx.locks.append(key)
                elif owner is not tx:
                    waiter = (tx, statement, done)
                    self._waiting.setdefault(key, deque()).append(waiter)
                    self._later(tx.lock_timeout, self._tire, key, waiter)
                    return
        except StopIteration as end:
            done(end.value, None)
        except Fault as error:
            tx.failed = True
            done(None, error)

    def _tire(self, key: Key, waiter: Any) -> None:
        waiters = self._waiting.get(key, ())
        if any(one is waiter for one in waiters):
            self._waiting[key].remove(waiter)
            waiter[0].failed = True
            waiter[2](None, Fault("55P03"))


class SimTransaction:
    """As worker.storage.transaction.Transaction."""

    def __init__(self, store: "SimDatabase", tx: Tx | None) -> None:
        self._store = store
        self._tx = tx
        # A connection ends with the server that it reached.
        self.incarnation = store.incarnation = store.server

    async def rows(self, name: str, *arguments: object) -> list[Any]:
        return await self._store.ask(self._tx, name, arguments)

    async def row(self, name: str, *arguments: object) -> Any | None:
        rows = await self._store.ask(self._tx, name, arguments)
        return rows[0] if rows else None

    async def execute(self, name: str, *arguments: object) -> int:
        found = await self._store.ask(self._tx, name, arguments)
        return found if isinstance(found, int) else len(found)

    async def execute_each(self, name: str, rows: Sequence[Any]) -> None:
        for row in rows:
            await self.execute(name, *row)

    async def copy_packed(
        self, table: str, columns: tuple[str, ...], rows: Sequence[bytes]
    ) -> None:
        values = [unpacked(columns, row) for row in rows]
        await self._store.ask(self._tx, f"copy {table}", (columns, values))


class SimDatabase:
    """As worker.storage.database.Database, for one process."""

    def __init__(self, settings: Any, metrics: Any) -> None:
        self._process = PROCESS.get()
        self._world: World = self._process.world  # type: ignore[attr-defined]
        self._database = self._world.database
        self.incarnation = ""

    @property
    def server(self) -> str:
        """The server that answers now: another one after each failover."""
        return str(self._world.happened.get("failover", 0))

    async def open(self, *, any_schema: bool = False) -> None:
        await self._world.travel()

    async def close(self) -> None:
        pass

    async def risky_settings(self) -> list[str]:
        return []

    async def now(self) -> datetime:
        world = self._world
        await world.outages.reach_database()
        moment = self._database.now()
        await world.travel()
        return moment

    @asynccontextmanager
    async def transaction(
        self, *, one_snapshot: bool = False, impatient: bool = False, planned_once: bool = False
    ) -> AsyncIterator[SimTransaction]:
        tx = self._database.begin(self._process, one_snapshot=one_snapshot)
        tx.began = self._world.loop.now
        if impatient:
            tx.lock_timeout = IMPATIENT_LOCK_TIMEOUT
        try:
            yield SimTransaction(self, tx)
        except GeneratorExit:
            raise
        except BaseException:
            await self._world.at_server(self._database.end, tx, "aborted")
            raise
        await self._commit(tx)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[SimTransaction]:
        yield SimTransaction(self, None)

    async def rows(self, name: str, *arguments: object) -> list[Any]:
        async with self.session() as session:
            return await session.rows(name, *arguments)

    async def ask(self, tx: Tx | None, name: str, arguments: Sequence[Any]) -> Any:
        world, database = self._world, self._database
        world.steps.database_operation(self._process, name)
        answer = world.loop.create_future()
        single = tx is None
        if tx is None:
            tx = database.begin(self._process)

        def done(result: Any, error: Any) -> None:
            tx.activity = world.loop.now
            if single:
                if error is None:
                    error = database.commit(tx)
                else:
                    database.end(tx, "aborted")
            world.later(world.latency(), _settle, answer, result, error)

        def start() -> None:
            tx.activity = world.loop.now
            if world.outages.database_down():
                database.end(tx, "aborted")
                done(None, Fault("08006"))
            elif (state := world.steps.statement_error()) is not None:
                tx.failed = True
                done(None, Fault(state))
            else:
                database.run(tx, name, arguments, done)

        world.later(world.latency(), start)
        try:
            result = await answer
        except Fault as error:
            world.note(self._process, "sql", name, error.sqlstate)
            raise _translated(error) from None
        world.note(self._process, "sql", name, arguments)
        return result

    async def _commit(self, tx: Tx) -> None:
        world = self._world
        how = world.steps.commit_fault(self._process)
        answer = world.loop.create_future()

        def start() -> None:
            if world.outages.database_down():
                self._database.end(tx, "aborted")
                error: Fault | None = Fault("08006")
            elif how == "not applied":
                self._database.end(tx, "aborted")
                error = Fault("08006")
            else:
                error = self._database.commit(tx)
                if how == "applied":
                    error = Fault("08006")
            world.note(self._process, "commit", how, error and error.sqlstate)
            world.later(world.latency(), _settle, answer, None, error)
            world.steps.after_commit(self._process)

        world.later(world.latency(), start)
        try:
            await answer
        except Fault as error:
            raise _translated(error) from None


def _settle(answer: Any, result: Any, error: Any) -> None:
    if not answer.done():
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)


def _translated(error: Fault) -> Exception:
    if error.sqlstate == "23505":
        return KeyTaken("SimulatedError", error.sqlstate)
    fault = RowRejected if error.sqlstate.startswith("22") else DatabaseUnavailable
    return fault("SimulatedError", error.sqlstate)
