"""Holds the model of Postgres against the real one: both get the same statements, at random, in
transactions that meet, wait for each other and fail.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr

from tests.simulation.database import TABLES, SimPostgres, Tx
from tests.simulation.statements import COPIES, REMINDERS, STATEMENTS
from worker.domain.acts import EXTENDED, HELD, RELEASED
from worker.errors import DatabaseFault
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.binary_copy import DEADLINE_COLUMNS
from worker.storage.database import Database
from worker.storage.migrate import migrate
from worker.storage.transaction import text_array

EXAMPLES = 150
START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORDERS = ["o1", "o2", "o3"]
# In the order in which enter_orders.sql takes them.
ACT_COLUMNS = ("order_id", "status", "occurred_at", "received_at", "topic", "partition", "offset",
               "stock_ok", "form_complete", "unknown", "body")  # fmt: skip
ORDER_COLUMNS = ("order_id", "seller_id", "fulfilment", "entered_at", "due", "fires_at", "policy",
                 "policy_version", "at_lapse", "doubt", "labels", "told_due", "total", "currency",
                 "offset", "lane", "topic", "partition", "received_at")  # fmt: skip
DECISION_COLUMNS = ("lane", "sequence", "order_id", "ordinal", "id", "kind", "reason", "revokes",
                    "decided_at", "value")  # fmt: skip
VALUE = json.dumps({"due": START.isoformat(), "evidence": {"read_to": {"t1": [1]}}})
# Of equal acts, Postgres may give any.
ANY_EQUAL = ("order_id", "status", "occurred_at", "stock_ok", "form_complete")
# The server has a clock of its own.
SERVER_TIMES = {"told_at", "second"}
EVER = timedelta(days=9_000)
# Statements of which only the number of rows counts.
COUNTED = {"update_lane", "release_lane", "start_position", "identify_topic", "delete_notices",
           "raise_partition_coverage", "keep_finding",
           "disarm_deadlines", "postpone_deadlines", "update_outcomes", "mark_published",
           "mark_dead_letters_published", "insert_dead_letters",
           "arm_deadlines", "insert_changes", "mark_changes_counted", "refuse_changes",
           "count_lapses", "count_lapses_of_sellers", "delete_brake_counts",
           "arm_reminders", "disarm_reminders", "leave_notices",
           "postpone_notices", "trip_brake",
           "update_decision_counts", "refuse_acts", "insert_versions"}  # fmt: skip
# The model keeps no count of unknown words: people read it, and no decision does.
NOT_MODELLED = {"insert_unknown_statuses"}
ORDERED = {"due_deadlines", "next_notices", "unpublished_decisions",
           "unpublished_dead_letters", "case_acts", "case_decisions", "brake_usage",
           "due_reminders"}  # fmt: skip


class Statements:
    """Random statements, from few keys, so that they meet."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self._last = 0
        self.makers: dict[str, Callable[[], tuple[Any, ...]]] = {
            "acquire_lane": lambda: (self.lane(), rng.choice(["a", "b"])),
            "lock_lane": lambda: (self.lane(), *self.owner(), *self.left_at()),
            "update_lane": lambda: (self.lane(), rng.randint(0, 5), rng.randint(0, 5)),
            "release_lane": lambda: (self.lane(), *self.owner()),
            "start_position": lambda: (
                "t1", self.lane(), rng.randint(0, 3), rng.choice([None, START]),
                rng.choice([None, START]), rng.choice([None, b"a"])),
            "identify_topic": lambda: ("t1", self.lane(), b"b"),
            "raise_partition_coverage": lambda: ("t1", self.lane(), self.moment()),
            "keep_finding": lambda: ("t1", self.lane(), "was cut"),
            "begin_batch": self.batch,
            "enter_orders": self.entering,
            "existing_orders": lambda: (text_array(self.orders()),),
            "lock_stubs": lambda: (self.orders(),),
            "lock_unread": lambda: (self.orders(), self.orders(), self.lane()),
            "adopt_orders": lambda: (*self.terms(), *self.arriving()),
            "end_frozen_sessions": tuple,
            "insert_notices": lambda: ([self.order()], self.lane(), self.orders()),
            "next_notices": lambda: (self.lane(), rng.randint(1, 3), START),
            "postpone_notices": lambda: (
                [rng.randint(1, 9)], START + rng.choice([90_000 * HOUR, -HOUR])),
            "notice_waiting": lambda: (self.lane(), rng.choice(["", "o1"]), rng.randint(1, 3),
                                       rng.choice([None, ["canceled", "handling"]])),
            "notice_mentioned": lambda: ([self.order()], [self.order()], [self.lane()]),
            "leave_notices": lambda: (self.lane(), [self.order()]),
            "lanes_with_notices": lambda: (rng.sample([0, 1, 2], 2),),
            "set_clocks": self.start_clock,
            "delete_notices": lambda: ([rng.randint(1, 9), rng.randint(1, 9)],),
            "due_deadlines": lambda: (self.lane(), self.moment(), rng.randint(1, 3)),
            "next_deadline": lambda: (self.lane(),),
            "disarm_deadlines": lambda: (self.lane(), self.moment(), self.order()),
            "postpone_deadlines": lambda: (self.lane(), self.later(), [self.order()]),
            "update_outcomes": lambda: (text_array(self.orders()), "silent", "kept", 1, START),
            "case_orders": lambda: (text_array(self.orders()), self.lane()),
            "case_acts": lambda: (text_array(self.orders()), 99),
            "alike_orders": lambda: (text_array(self.orders()), self.lane(), self.later(),
                                     *rng.choice(WORDS)),
            "abridged_acts": lambda: (*self.dues(), ["canceled", "handling"]),
            "case_decisions": lambda: (self.orders(),),
            "mark_published": lambda: (self.lane(), rng.randint(1, 5)),
            "insert_dead_letters": self.letter,
            "mark_dead_letters_published": lambda: ([rng.randint(1, 4)],),
            "copy acts": self.acts,
            "copy orders": self.new_orders,
            "copy deadlines": lambda: (DEADLINE_COLUMNS, [(self.lane(), self.moment(), "copied")]),
            "copy decisions": self.decisions,
        }  # fmt: skip
        # Drawn less often: they meet nobody, and the others must.
        self.rare: dict[str, Callable[[], tuple[Any, ...]]] = {
            "arm_deadlines": lambda: (self.lane(), self.later(), ["watched"]),
            "astray_since": lambda: (self.lane(),),
            "case_versions": lambda: (self.orders(), 99),
            "case_lines": lambda: (self.orders(), ["canceled", "handling"]),
            "told_orders": lambda: (self.orders(),),
            "insert_versions": self.version,
            "look_at_lane": lambda: (self.lane(), *self.owner()),
            "lanes_as_stored": lambda: (rng.sample([0, 1, 2], 2),),
            "lane_positions": lambda: (self.lane(), rng.sample(["t1", "t2"], rng.randint(0, 2))),
            "positions": tuple,
            "decision_ids": lambda: (self.lane(), [1, 2, 3]),
            "count_evidence": lambda: (self.order(), ["canceled", "handling"]),
            "case_refusals": lambda: (text_array(self.orders()),),
            "waiting_orders": lambda: (self.orders(),),
            "unpublished_decisions": lambda: (self.lane(), rng.randint(0, 2), 2),
            "unpublished_dead_letters": lambda: (self.lane(), 3),
            "outages": tuple,
            "next_reminder": lambda: (self.lane(),),
            "insert_changes": self.change,
            "case_changes": lambda: (text_array(self.orders()), 99),
            "abridged_changes": lambda: (*self.dues(), 99),
            "mark_changes_counted": lambda: (*self.places(), [rng.random() < 0.7]),
            "refuse_changes": lambda: (self.lane(), *self.places()[1:], ["too-late"], ["late"]),
            "refuse_acts": lambda: (self.lane(), *self.places(), "out-of-range", "early"),
            # Held only: an order has one deadline in a lane.
            "move_deadlines": lambda: (self.lane(), [self.order()], [self.moment()],
                                       [self.later()], [self.moment()], [True]),
            "lock_brake": tuple,
            "trip_brake": tuple,
            "brake_usage": lambda: (
                timedelta(seconds=rng.randint(0, 4)), rng.sample(["s1", "s2"], rng.randint(0, 2)),
                self.moment()),
            "count_lapses": lambda: (self.moment(), self.lane(), rng.randint(1, 3), 1),
            "count_lapses_of_sellers": lambda: (
                self.moment(), ["s1", "s2"], [rng.randint(1, 3), 1], [1, 0]),
            "delete_brake_counts": lambda: (EVER,),
            "reminded_orders": lambda: (self.orders(), self.lane()),
            "arm_reminders": lambda: (
                self.lane(), [self.moment() - rng.choice(REMINDERS)], [self.order()]),
            "due_reminders": lambda: (self.lane(), self.moment(), rng.randint(1, 3)),
            "disarm_reminders": lambda: (
                self.lane(), [self.moment() - rng.choice(REMINDERS)], [self.order()]),
            "update_decision_counts": lambda: ([self.order()], [rng.randint(1, 3)]),
        }  # fmt: skip

    def next(self) -> tuple[str, tuple[Any, ...]]:
        drawn = self.rare if self.rng.random() < 0.15 else self.makers
        name = self.rng.choice([*drawn])
        return name, drawn[name]()

    def lane(self) -> int:
        return self.rng.randint(0, 1)

    def owner(self) -> tuple[int, str]:
        return self.rng.choice([1, 1, 2, 3]), self.rng.choice(["a", "b"])

    def left_at(self) -> tuple[Any, ...]:
        some = self.rng.choice([[], [self.lane()]])
        return ["t1"] * len(some), some, [self.rng.randint(0, 4)] * len(some)

    def order(self) -> str:
        return self.rng.choice(ORDERS)

    def orders(self) -> list[str]:
        return self.rng.sample(ORDERS, self.rng.randint(1, 3))

    def moment(self) -> datetime:
        return START + timedelta(seconds=self.rng.randint(0, 3))

    def later(self) -> datetime:
        self._last += 1
        return START + timedelta(days=self._last)

    def terms(self) -> tuple[Any, ...]:
        return self.lane(), "t1", 0, self.moment()

    def batch(self) -> tuple[Any, ...]:
        lanes = self.rng.sample([0, 1, 2], self.rng.choice([1, 1, 2, 3]))
        owners = [self.owner() for _ in lanes]
        moved = self.rng.sample(lanes, self.rng.randint(1, len(lanes)))
        marks = [self.rng.choice([(None, None), (2, 1700)]) for _ in moved]
        return (
            lanes, [epoch for epoch, _ in owners], [owner for _, owner in owners],
            ["t1"] * len(moved), moved, [self.rng.randint(0, 3) for _ in moved],
            [self.rng.randint(4, 6) for _ in moved], [offset for offset, _ in marks],
            [timestamp for _, timestamp in marks], *self.left_at(),
        )  # fmt: skip

    def entering(self) -> tuple[Any, ...]:
        arriving = self.arriving()
        # The orders of several lanes, and one that two of them hold.
        homes = [(self.lane(), "t1", 0, self.moment()) for _ in arriving[0]]
        if self.rng.random() < 0.2:
            arriving = [[*column, column[-1]] for column in arriving]
            homes.append(((homes[-1][0] + 1) % 3, "t1", 1, self.moment()))
        stubs = [one for one in ORDERS if one not in arriving[0] and self.rng.random() < 0.5]
        acts = [list(column) for column in zip(*self.acts()[1], strict=True)]
        columns = [list(column) for column in zip(*homes, strict=True)]
        return self.moment(), stubs, *arriving, *columns, self.orders(), *acts

    def arriving(self) -> list[list[Any]]:
        rows = []
        for order_id in self.orders():
            # An order has one deadline in a lane: whoever adopts has locked its stub.
            now = START + timedelta(seconds=ORDERS.index(order_id))
            rows.append((order_id, "s", "courier", now, *self.clock(now),
                         self.rng.choice([None, "entered-late", "unreadable-evidence"]),
                         None, None, None, "PEN", 7))  # fmt: skip
        return [list(column) for column in zip(*rows, strict=True)]

    def clock(self, now: datetime) -> tuple[Any, ...]:
        if self.rng.random() < 0.3:
            return None, None, None, 0, None
        return now, now, "default", 1, "auto-cancel"

    def start_clock(self) -> tuple[Any, ...]:
        now = self.later()
        return self.lane(), *(
            [one]
            for one in (
                self.order(), now, now, now, "default", 2, "escalate", self.moment(), None, "s2"
            )
        )  # fmt: skip

    def version(self) -> tuple[Any, ...]:
        values = (self.order(), "s2", "courier", self.moment(), None, None, "12.50", "PEN", "t1", 0,
                  self.rng.randint(0, 3))  # fmt: skip
        return *([value] for value in values), self.later()

    def dues(self) -> tuple[Any, ...]:
        orders = self.orders()
        return orders, [self.moment() for _ in orders]

    def letter(self) -> tuple[Any, ...]:
        rng = self.rng
        at = START + timedelta(seconds=rng.randint(0, 1))
        return (self.lane(), "t1", 0, rng.randint(0, 9), at, START, "not-json", "value",
                b"k", None, [b"h"], [b"v"], self.orders(), rng.random() < 0.5)  # fmt: skip

    def places(self) -> tuple[Any, ...]:
        return [self.order()], ["t1"], [0], [self.rng.randint(0, 3)]

    def change(self) -> tuple[Any, ...]:
        kind = self.rng.choice([EXTENDED, HELD, RELEASED])
        due = self.moment() if kind == EXTENDED else None
        # No two of one time: of those, Postgres may give any.
        return (self.order(), kind, self.later(), START, due, "a", "r", "t1", 0,
                self.rng.randint(0, 3))  # fmt: skip

    def acts(self) -> tuple[Any, ...]:
        rng = self.rng
        status = rng.choice(["canceled", "handling", "other", HELD])
        row = (self.order(), status, self.moment(), self.moment(), rng.choice(["t1", "t2"]), 0,
               rng.randint(0, 9), rng.choice([None, True, False]),
               rng.choice([None, True, False]), rng.choice([None, True]), "{}")  # fmt: skip
        return ACT_COLUMNS, [row]

    def new_orders(self) -> tuple[Any, ...]:
        lane, topic, partition, now = self.terms()
        place = (lane, topic, partition, now)
        rows = [(*order, *place) for order in zip(*self.arriving(), strict=True)]
        return ORDER_COLUMNS, sorted(rows)

    def decisions(self) -> tuple[Any, ...]:
        rng = self.rng
        kind = rng.choice(["escalation", "escalation", "deadline-reminder"])
        row = (self.lane(), rng.randint(1, 3), self.order(), rng.randint(1, 3),
               UUID(int=rng.randint(1, 99)), kind, "policy", rng.choice([None, 1]),
               START, VALUE)  # fmt: skip
        return DECISION_COLUMNS, [row]


# Statuses that say nothing, those that say nothing where an order is handled, those of handling,
# and those that start a clock.
WORDS = [
    (["other"], ["canceled", "other"], ["handling"], []),
    ([], ["other"], ["canceled", "handling"], []),
    ([], [], ["handling"], ["canceled", "other"]),
]


class _Both:
    """One transaction in Postgres and its twin in the model."""

    def __init__(self, store: Database, model: SimPostgres, *, one_snapshot: bool) -> None:
        self._context = store.transaction(one_snapshot=one_snapshot)
        self.twin: Tx = model.begin(one_snapshot=one_snapshot)
        self.model = model
        self.statement = ""
        self.task: asyncio.Task[Any] | None = None
        self.found: tuple[Any, Any] | None = None

    async def begin(self) -> None:
        self._tx = await self._context.__aenter__()

    def start(self, name: str, arguments: tuple[Any, ...]) -> None:
        self.statement, self.found = f"{name} {arguments}", None
        self.name = name
        self.task = asyncio.create_task(self._run(name, arguments))

        def done(result: Any, error: Any) -> None:
            self.found = (result, error and error.sqlstate)

        self.model.run(self.twin, name, arguments, done)

    @property
    def waits(self) -> bool:
        """The model says that this statement waits for another transaction."""
        return self.task is not None and self.found is None

    async def compare(self) -> bool:
        """Hold the answers against each other; false after an error, the same in both."""
        assert self.task is not None
        assert self.found is not None
        done, _ = await asyncio.wait({self.task}, timeout=5)
        assert done, f"{self.statement} waits in Postgres only"
        rows, error = self.task.result()
        expected, expected_error = self.found
        self.task = None
        assert error == expected_error, f"{self.statement}: {error}, the model {expected_error}"
        if error is None and not self.name.startswith("copy "):
            if isinstance(expected, list) and isinstance(rows, list):
                rows = [{k: v for k, v in row.items() if k not in SERVER_TIMES} for row in rows]
                # The model may know more columns than the statement names.
                kept = (
                    [{key: row[key] for key in rows[0]} for row in expected] if rows else expected
                )
                if self.name == "abridged_acts":
                    kept, rows = (_meanings(found) for found in (kept, rows))
                expected = kept if self.name in ORDERED else sorted(kept, key=repr)
                rows = rows if self.name in ORDERED else sorted(rows, key=repr)
            assert rows == expected, f"{self.statement}: {rows}, the model {expected}"
        return error is None

    async def end(self, *, commit: bool) -> None:
        if commit:
            await self._context.__aexit__(None, None, None)
            assert self.model.commit(self.twin) is None
        else:
            if self.task is not None:
                self.task.cancel()
                await asyncio.gather(self.task, return_exceptions=True)
            stop = InterruptedError()
            with pytest.raises((InterruptedError, DatabaseFault)):  # noqa: PT012
                await self._context.__aexit__(type(stop), stop, None)
                raise stop
            self.model.end(self.twin, "aborted")

    async def _run(self, name: str, arguments: tuple[Any, ...]) -> tuple[Any, str | None]:
        try:
            if name.startswith("copy "):
                columns, rows = arguments
                await self._tx._connection.copy_records_to_table(
                    name[5:], columns=columns, records=rows
                )
                return 0, None
            if name in COUNTED:
                return await self._tx.execute(name, *arguments), None
            return [dict(row) for row in await self._tx.rows(name, *arguments)], None
        except asyncpg.PostgresError as error:
            return None, str(error.sqlstate)


def _meanings(rows: list[dict[str, Any]]) -> list[Any]:
    return sorted({tuple(repr(row[name]) for name in ANY_EQUAL) for row in rows})


@pytest.fixture
async def store(database: str) -> AsyncIterator[Database]:
    await migrate(database)
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    yield store
    await store.close()


@pytest.mark.parametrize("seed", range(6))
async def test_the_model_answers_as_postgres_does(
    store: Database, database: str, seed: int
) -> None:
    rng = Random(seed)
    statements = Statements(rng)
    later: list[tuple[Any, tuple[Any, ...]]] = []
    waited = failed = 0
    connection = await asyncpg.connect(database)
    names = ", ".join(table for table in TABLES if table != "brake")  # it has its one row
    await connection.execute(
        "INSERT INTO policies (name, version, dispute_type, dispute_text, terms, reminders) "
        "VALUES ('default', 1, 'CS', 'late', '{}', $1)",
        REMINDERS,
    )
    for _ in range(EXAMPLES):
        await connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        await connection.execute("UPDATE brake SET tripped_at = NULL")
        model = SimPostgres(
            lambda delay, do, *args: None if delay else later.append((do, args)), lambda: START
        )
        open_now: list[_Both] = []
        for _ in range(rng.randint(5, 40)):
            while later:
                do, arguments = later.pop(0)
                do(*arguments)
            for one in [one for one in open_now if one.task and not one.waits]:
                if not await one.compare():
                    failed += 1
                    await one.end(commit=False)
                    open_now.remove(one)
            free = [one for one in open_now if not one.waits]
            if open_now and not free:
                break  # they wait for each other; Postgres would end one of them
            if not open_now or (len(open_now) < 2 and rng.random() < 0.6):
                free = [_Both(store, model, one_snapshot=rng.random() < 0.4)]
                await free[0].begin()
                open_now += free
            one = rng.choice(free)
            if rng.random() < 0.25:
                await one.end(commit=rng.random() < 0.8)
                open_now.remove(one)
                continue
            name, arguments = statements.next()
            if name == "adopt_orders" and _are_locked(model, one.twin, arguments[4]):
                continue  # the worker locks them first, with lock_unread
            one.start(name, arguments)
            if one.waits:
                waited += 1
                await asyncio.sleep(0.02)
                assert one.task is not None
                assert not one.task.done(), f"{one.statement} waits in the model only"
        for one in open_now:
            await one.end(commit=False)
        later.clear()
        await _compare_tables(connection, model)
    await connection.close()
    assert waited > 5
    assert failed > 5


def _are_locked(model: SimPostgres, tx: Tx, order_ids: list[str]) -> bool:
    """Whether another transaction holds one of these orders, or its deadline."""
    held = [key for other in model.open if other is not tx for key in other.locks]
    return any(
        (table == "orders" and key in order_ids) or (table == "deadlines" and key[-1] in order_ids)
        for table, key in held
    )


async def _compare_tables(connection: Any, model: SimPostgres) -> None:
    for table, twins in model.tables.items():
        if table == "brake":
            continue  # the server trips it by its own clock
        # The server counts by its own clock.
        kept = [{k: v for k, v in row.items() if k != "counted_at"} for row in twins.values()]
        found = [dict(row) for row in await connection.fetch(f"SELECT * FROM {table}")]
        if kept:
            found = [{key: row[key] for key in kept[0]} for row in found]
        assert sorted(map(repr, found)) == sorted(map(repr, kept)), table


def test_every_statement_of_a_lane_is_tried() -> None:
    drawn = Statements(Random(0))
    tried = {*drawn.makers, *drawn.rare}
    assert tried == {*STATEMENTS, *(f"copy {table}" for table in COPIES)} - NOT_MODELLED
