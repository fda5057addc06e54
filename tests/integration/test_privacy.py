"""Erasure and export: persons go, verdicts stay, and no table is left out."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.decide.cases import load_cases
from worker.domain.case import Case
from worker.domain.decide import decide
from worker.observability.metrics import Metrics
from worker.operations.erasure import Subject, erase
from worker.operations.export import FORMAT, TABLES, export
from worker.operations.retention import forget
from worker.policy.registry import load_policies
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

NAME, TEXT = "Zoraída Quispe", "el cliente lloró"
PLAIN = {"dispute": {"text": TEXT, "type": "CS", "responsible": NAME}}
LINES = {"lines": [{"sku": "a", "quantity": 2, "note": TEXT}, {"sku": "b"}]}
# Order, status, body: the last two of one order, told escaped and without an order.
ACTS = [
    ("one", "order-created", LINES),
    ("one", "canceled-in-part", {**PLAIN, "lines": [{"sku": "a", "quantity": 2}]}),
    ("one", "canceled-in-part", {**PLAIN, "lines": [{"sku": "b"}]}),
    ("two", "dispute-opened", PLAIN),
    ("stub", "canceled", PLAIN),
    ("nobody's", "picking", PLAIN),
    ("other", "canceled", {"dispute": {"text": "x", "type": "CS", "responsible": "Rosa"}}),
]
ALL = {"one", "two", "stub", "nobody's"}


@pytest.fixture
async def store(database: str) -> AsyncIterator[Database]:
    await migrate(database)
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO lanes (lane) VALUES (0)")
    for n, (order_id, seller) in enumerate([("one", "s"), ("two", "s"), ("other", "t")]):
        await connection.execute(
            """INSERT INTO orders (order_id, lane, seller_id, fulfilment, entered_at, due, fires_at,
                policy, at_lapse, topic, partition, "offset", received_at)
            VALUES ($1, 0, $2, 'courier', now() - interval '2 days', now() - interval '1 day',
                now() - interval '1 day', 'default', 'auto-cancel', 'o', 0, $3, now())""",
            order_id, seller, n,
        )  # fmt: skip
    await connection.execute("INSERT INTO orders (order_id, received_at) VALUES ('stub', now())")
    for n, (order_id, status, body) in enumerate(ACTS):
        await connection.execute(
            """INSERT INTO acts VALUES ($1, $2, now() - interval '47 hours' + $3 * interval '1 min',
                now(), 'acts', 0, $3, NULL, NULL, $4)""",
            order_id, status, n, json.dumps(body, ensure_ascii=n % 2 == 0),
        )  # fmt: skip
    for n, (key, value) in enumerate([
        (b"two", f"{{{NAME}".encode()), (NAME.encode(), f'{{"order_id":"two","{TEXT}"'.encode()),
        (b"other", b"{Rosa"), (None, f"x {NAME}".encode()),
    ]):  # fmt: skip
        await connection.execute(
            """INSERT INTO dead_letters (lane, topic, partition, "offset", timestamp, received_at,
                error, message, key, value, header_names, header_values)
            VALUES (0, 'acts', 0, $1, now(), now(), 'not-json', '', $2, $3, $4, $5)""",
            100 + n, key, value, [b"ce_source"], [NAME.encode()],
        )  # fmt: skip
    await connection.execute(
        """INSERT INTO shields SELECT 'two', id FROM dead_letters WHERE "offset" = 101;
        INSERT INTO deadline_changes (order_id, kind, occurred_at, received_at, author, reason,
            topic, partition, "offset", counted)
        VALUES ('two', 'order.deadline-held', now(), now(), 'Zoraída Quispe', 'ill', 'acts', 0, 50,
            true)"""
    )
    await connection.close()
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    yield store
    await store.close()


async def query(database: str, statement: str, *arguments: Any) -> list[Any]:
    connection = await asyncpg.connect(database)
    try:
        return [tuple(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


async def cases(store: Database) -> dict[str, Case]:
    policies = load_policies(Settings())
    async with store.transaction() as tx:
        found, faulty, _ = await load_cases(tx, 0, ["one", "two", "other"], policies)
    assert not faulty
    return {case.order.order_id: case for case in found}


async def dump(database: str) -> str:
    """All that is stored, as text; bytes as text too."""
    tables = await query(
        database,
        "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'",
    )
    parts = [
        str(row[0])
        for (table,) in tables
        for row in await query(database, f"SELECT to_jsonb(t)::text FROM {table} t")
    ]
    text = "\n".join(parts)
    for secret in (NAME, TEXT):
        text = text.replace(secret.encode().hex(), secret)
        text = text.replace(json.dumps(secret)[1:-1].replace("\\", "\\\\"), secret)
    return text


@pytest.mark.parametrize(
    ("subject", "orders", "left"),
    [
        (Subject(orders=[*sorted(ALL)]), 4, {"the letter of nobody"}),
        (Subject(responsible=NAME), 4, set()),
        (Subject(seller="s"), 2, {"the letter of nobody", "stub", "nobody's"}),
    ],
)
async def test_a_person_goes_and_no_verdict_changes(
    store: Database, database: str, subject: Subject, orders: int, left: set[str]
) -> None:
    before = await cases(store)
    assert decide(before["one"]).outcome == "cancelled"  # by its lines
    dry = await erase(store, subject, "me", dry_run=True)
    assert NAME in await dump(database)
    done = await erase(store, subject, "me")
    assert dry == done
    assert done.orders == orders
    assert await cases(store) == before
    text = await dump(database)
    assert (NAME in text, TEXT in text) == (bool(left), "stub" in left)
    assert "Rosa" in text
    again = await erase(store, subject, "me")
    assert (again.acts, again.deadline_changes, again.dead_letters) == (0, 0, 0)
    # Who did it, and nothing of the person.
    recorded = await query(
        database, "SELECT author, command, arguments::text FROM actions WHERE command = 'erase'"
    )
    assert [row[:2] for row in recorded] == [("me", "erase")] * 2
    assert NAME not in str(recorded)


async def test_an_erased_dead_letter_keeps_its_place_and_its_shield(
    store: Database, database: str
) -> None:
    await erase(store, Subject(orders=["two"]), "me")
    letters = await query(
        database,
        'SELECT "offset", key, value, header_values, published FROM dead_letters ORDER BY id',
    )
    erased = [b"erased", b"erased"]
    assert letters[:2] == [(100, b"two", None, erased, False), (101, None, None, erased, False)]
    assert letters[2][2] == b"{Rosa"
    assert await query(database, "SELECT order_id FROM shields") == [("two",)]


async def test_an_erased_dead_letter_is_still_published(
    new_worker: Callable[..., WorkerProcess],
    store: Database,
    database: str,
    kafka: Kafka,
    topics: Topics,
) -> None:
    market = Market(kafka.bootstrap_servers, topics, idempotence=kafka.idempotence)
    await erase(store, Subject(responsible=NAME), "me")
    worker = await new_worker(topics).start().wait_ready()

    async def published() -> bool:
        return await query(database, "SELECT FROM dead_letters WHERE NOT published") == []

    await eventually(published, 30)
    assert await worker.sigterm() == 0
    found = await market.dead_letters()
    assert len(found) == 4
    for letter in found:
        assert not letter.value
        headers = dict(letter.headers)
        assert headers["plazo-value-omitted"] == headers["plazo-headers-omitted"] == b"erased"
    assert NAME.encode() not in repr(found).encode()


async def test_every_table_that_names_an_order_is_exported(store: Database, database: str) -> None:
    named = await query(
        database,
        """SELECT table_name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name = 'order_id'""",
    )
    assert {table for (table,) in named} <= {*TABLES}
    found = await export(store, "two", "me")
    assert found is not None
    assert (found["format"], found["complete"]) == (FORMAT, True)
    assert found["tables"].keys() == {*TABLES}
    assert len(found["tables"]["dead_letters"]) == 2
    assert json.loads(found["tables"]["acts"][0]["body"]) == PLAIN
    assert found["tables"]["deadline_changes"][0]["author"] == NAME
    assert await query(database, "SELECT author, command FROM actions WHERE author <> 'a job'") == [
        ("me", "export")
    ]
    assert await export(store, "Two", "me") is None


async def test_acts_without_an_order_and_unknown_statuses_are_forgotten(
    store: Database, database: str
) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(
        """INSERT INTO unknown_statuses SELECT 'acts', 0, 'Zoraída', 0, at, 1, at, 2
        FROM (SELECT now() - interval '100 days' AS at) AS old;
        INSERT INTO unknown_statuses SELECT 'acts', 0, 'new', 0, now(), 1, now(), 2;
        UPDATE acts SET received_at = received_at - interval '100 days'"""
    )
    before = await store.now() - timedelta(days=90)
    await connection.close()
    dry = await forget(store, "acts", before, pause=0, dry_run=True)
    assert (dry.acts, dry.unknown_statuses, dry.orders) == (1, 1, 0)
    assert await forget(store, "acts", before, pause=0) == dry
    left = await query(database, "SELECT DISTINCT order_id FROM acts")
    assert {order_id for (order_id,) in left} == {"one", "two", "stub", "other"}
    assert await query(database, "SELECT status FROM unknown_statuses") == [("new",)]


def test_no_table_is_forgotten_on_the_page_of_privacy() -> None:
    """Every table of the migrations stands on the page, with what it holds and for how long."""
    root = Path(__file__).parents[2]
    page = (root / "docs/how-to/privacy.md").read_text(encoding="utf-8")
    import re

    created = {
        table
        for file in (root / "worker/storage/migrations/versions").glob("*.sql")
        for table in re.findall(r"CREATE TABLE (\w+)", file.read_text(encoding="utf-8"))
    }
    assert {table for table in created if f"`{table}`" not in page} == set()
