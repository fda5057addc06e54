"""No statement of the hot path reads a whole table, however large it is.

The model's test knows arguments for each statement; here they meet tables of some size.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pydantic import SecretStr

from tests.simulation.test_model import Statements
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate
from worker.storage.statements import sql
from worker.storage.transaction import PLANNED_ONCE, Transaction

ROWS = 30_000
LOAD = f"""
INSERT INTO orders (order_id, lane, entered_at, due, fires_at, received_at)
SELECT n::text, n % 12, now(), now(), now() + n * interval '1 second', now()
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO deadlines SELECT lane, fires_at, order_id FROM orders;
INSERT INTO acts SELECT order_id, 'handling', now(), now(), 't', lane, order_id::bigint, NULL, NULL,
    '{{}}' FROM orders;
INSERT INTO decisions SELECT lane, order_id::bigint, order_id, 1, gen_random_uuid(), 'escalation',
    'policy', NULL, now(), '{{}}' FROM orders;
INSERT INTO notices (lane, order_id) SELECT lane, order_id FROM orders;
INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at, error, message,
    header_names, header_values, published)
SELECT lane, 't', lane, order_id::bigint, now(), now(), 'not-json', '', '{{}}', '{{}}', true
FROM orders;
INSERT INTO shields SELECT lane::text, id FROM dead_letters;
INSERT INTO reminders SELECT lane, fires_at, order_id FROM orders;
INSERT INTO deadline_changes SELECT order_id, 'order.deadline-held', now(), now(), NULL, '', '',
    't', lane, order_id::bigint FROM orders;
"""
LARGE = {"orders", "deadlines", "acts", "decisions", "notices", "dead_letters", "shields",
         "reminders", "deadline_changes"}  # fmt: skip
_DRAWN = Statements(Random(0))
HOT = [
    name
    for name in (*_DRAWN.makers, *_DRAWN.rare)
    if not name.startswith("copy ") and name != "end_frozen_sessions"
]

# The gauges' statements, every two seconds.
OBSERVED: dict[str, list[Any]] = {
    "outbox_backlog": [[0, 1, 2]], "count_escalations": [[0, 1, 2]],
    "count_late_clocks": [[0, 1, 2], datetime(2026, 1, 5, tzinfo=UTC), ["canceled"]],
    # Less often, and of orders that wait.
    "notice_waiting": [0, "", 1_000, ["ready-for-handling"]],
}  # fmt: skip

# Those with which `plazo check` compares cells.
COMPARED: dict[str, list[Any]] = {"newest_orders": [50], "told_there": [["12", "13"]]}

# Those of the board, in turn with everything else that Postgres does.
_NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
BOARD: dict[str, list[Any]] = {
    "board_dead_letter": [7],
    "board_dead_letters": [None, 100],
    "board_history": [0, 100, 5_100],
    "board_lapses": [_NOON, _NOON + timedelta(hours=1)],
    "board_prefix": ["12", "12\U0010ffff", 50],
    "board_verdicts": [10],
    "board_waiting": [],
}


STATISTICS = pytest.mark.parametrize(
    "statistics", [False, True], ids=["grown since ANALYZE", "analyzed"]
)


@STATISTICS
async def test_plans_use_indexes(database: str, statistics: bool) -> None:
    def arguments(name: str) -> list[Any]:
        drawn = Statements(Random(1))
        return {**drawn.makers, **drawn.rare}[name]()

    assert await _read_whole(database, statistics, {name: arguments(name) for name in HOT}) == {}


@STATISTICS
async def test_plans_of_the_gauges_use_indexes(database: str, statistics: bool) -> None:
    assert await _read_whole(database, statistics, {**OBSERVED, **COMPARED}) == {}


@STATISTICS
async def test_plans_of_the_board_use_indexes(database: str, statistics: bool) -> None:
    assert await _read_whole(database, statistics, BOARD) == {}


@pytest.mark.parametrize("analyzed", [False, True], ids=["new", "analyzed while it was empty"])
async def test_plans_that_are_kept_suit_tables_that_grow(database: str, analyzed: bool) -> None:
    await migrate(database)
    drawn = Statements(Random(1))
    async with _store(database) as store, store._pool.acquire() as connection:
        if analyzed:
            await connection.execute("ANALYZE")
        for name in PLANNED_ONCE:
            explain = f"EXPLAIN (FORMAT JSON, GENERIC_PLAN) {sql(name)}"
            answer = await connection.fetchval(explain, *drawn.makers[name]())
            for node in _nodes(json.loads(answer)[0]["Plan"]):
                if node.get("Relation Name") in LARGE and node["Node Type"] != "ModifyTable":
                    assert node.keys() & {"Index Cond", "Recheck Cond"}, (name, node)


async def test_other_statements_of_such_a_transaction_are_planned_anew(database: str) -> None:
    await migrate(database)
    drawn = Statements(Random(1))

    async def mode(tx: Transaction) -> str:
        found: str = await tx._connection.fetchval("SHOW plan_cache_mode")
        return found

    async with _store(database) as store:
        async with store.transaction(planned_once=True) as tx:
            await tx.rows("begin_batch", *drawn.makers["begin_batch"]())
            assert await mode(tx) == "force_generic_plan"
            await tx.rows("lock_stubs", [])
            assert await mode(tx) == "force_custom_plan"
        async with store.transaction() as tx:
            assert await mode(tx) == "force_custom_plan"


@asynccontextmanager
async def _store(database: str) -> AsyncIterator[Database]:
    """Its sessions have the settings of the worker's own."""
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def _read_whole(
    database: str, statistics: bool, statements: Mapping[str, Sequence[Any]]
) -> dict[str, set[str]]:
    """The large tables that each of these statements would read from beginning to end."""
    await migrate(database)
    read_whole: dict[str, set[str]] = {}
    async with _store(database) as store, store._pool.acquire() as connection:
        await connection.execute(LOAD)
        if statistics:
            await connection.execute("ANALYZE")
        for name, arguments in statements.items():
            answer = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql(name)}", *arguments)
            read_whole[name] = {
                node["Relation Name"]
                for node in _nodes(json.loads(answer)[0]["Plan"])
                if node["Node Type"] == "Seq Scan"
            } & LARGE
    return {name: tables for name, tables in read_whole.items() if tables}


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
