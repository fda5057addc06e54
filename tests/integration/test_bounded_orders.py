"""What one order costs is bounded, however many distinct acts and changes it has."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
from pydantic import SecretStr
from worker.decide.deadline_changes import DeadlineChanges

from worker.decide.cases import count_omitted, load_cases
from worker.domain.case import Outcome
from worker.domain.decide import decide
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

ACTS, CHANGES = 20_000, 5_000
LOAD = f"""
INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at, policy,
    at_lapse, received_at, topic, partition, "offset")
SELECT name, 0, 's', 'courier', now() - interval '2 days', now() - interval '1 day',
    now() - interval '1 day', 'default', 'auto-cancel', now(), 't', 0, 1
FROM unnest(ARRAY['acts', 'changes']) AS name;
INSERT INTO acts SELECT 'acts', 'handling', now() - interval '2 days' + n * interval '1 second',
    now(), 't', 0, n, CASE WHEN n = 77 THEN false END, NULL, '{{}}'
FROM generate_series(1, {ACTS}) AS n;
INSERT INTO deadline_changes SELECT 'changes', 'order.deadline-extended',
    now() - interval '1 day' + n * interval '1 second', now(),
    now() + CASE WHEN n % 2 = 0 THEN interval '-3 days' ELSE interval '1 day' END, 'a', 'r', 't',
    1, n FROM generate_series(1, {CHANGES}) AS n;
INSERT INTO acts SELECT order_id, kind, occurred_at, received_at, topic, partition, "offset", NULL,
    NULL, '{{}}' FROM deadline_changes;
"""


@pytest.fixture
async def store(database: str) -> AsyncIterator[Database]:
    await migrate(database)
    connection = await asyncpg.connect(database)
    await connection.execute(LOAD)
    await connection.close()
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    yield store
    await store.close()


async def test_many_acts_are_read_by_their_kinds(store: Database) -> None:
    async with store.transaction(one_snapshot=True) as tx:
        (case,), _ = await load_cases(tx, 0, ["acts"])
        assert len(case.acts) == 3  # the first and the last, and the one with a report
        assert decide(case).outcome == Outcome.ESCALATED
        assert (await count_omitted(tx, case)).omitted == ACTS - 3


async def test_many_changes_are_judged_page_by_page(store: Database) -> None:
    """The deadline is right from the first page on; the rest is written down behind it."""
    pages = refused = 0
    while True:
        async with store.transaction(one_snapshot=True) as tx:
            changes = await DeadlineChanges.load(tx)
            (case,), _ = await load_cases(tx, 0, ["changes"])
            assert len(case.changes) <= 1_006
            assert (changes.consider(case) is None) == (pages == 0)
            await changes.store(tx, 0, datetime.now(UTC))
            left = await tx.rows("next_notices", 0, 100, datetime.now(UTC))
            await tx.execute("delete_notices", [row["id"] for row in left])
        pages, refused = pages + 1, refused + changes.refused
        assert bool(left) == changes.unfinished
        if not left:
            break
    assert pages == CHANGES // 1_000  # the latest of all came with the first
    assert refused == CHANGES // 2
    async with store.session() as session:
        letters = await session.rows("unpublished_dead_letters", 0, CHANGES)
    assert {row["error"] for row in letters} == {"out-of-range"}
    assert len(letters) == refused


async def test_an_order_that_our_code_cannot_read_holds_no_other(
    store: Database, database: str
) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE orders SET finding = 'of a later version' "
                             "WHERE order_id = 'changes'")  # fmt: skip
    await connection.close()
    async with store.transaction(one_snapshot=True) as tx:
        cases, faulty = await load_cases(tx, 0, ["changes", "acts"])
    assert [case.order.order_id for case in cases] == ["acts"]
    assert faulty == {"changes"}


async def test_one_look_answers_all_notices_of_an_order(store: Database, database: str) -> None:
    """The order behind sixteen of them waits for two sweeps."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO notices (lane, order_id) SELECT 0, 'acts' FROM generate_series(1, 15);"
        "INSERT INTO notices (lane, order_id) VALUES (0, 'changes'), (0, 'acts'), (1, 'changes')"
    )
    await connection.close()
    seen = []
    async with store.transaction() as tx:
        while found := await tx.rows("next_notices", 0, 1, datetime.now(UTC)):
            seen.append([row["order_id"] for row in found])
            await tx.execute("delete_notices", [row["id"] for row in found])
    assert seen == [["acts"] * 10, ["acts"] * 6, ["changes"]]
