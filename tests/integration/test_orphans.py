"""What was not understood leaves a trace: unknown statuses, orphans, stray refusals."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from tests.support.market import Market
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.freshness.evidence import EvidenceScope
from worker.ingest.rows import UnknownStatus
from worker.ingest.unknown_statuses import MOST, store_unknown
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.migrate import migrate

NewWorker = Callable[..., WorkerProcess]
HASTY = {"stock_window": "PT4S", "grace": "PT0S"}
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
STRAY_KEY = "7f1a1d9e-0000-4000-8000-000000000001"


@pytest.fixture
async def store(database: str) -> AsyncIterator[Database]:
    await migrate(database)
    settings = Settings(database_url=SecretStr(database))
    store = Database(settings, Metrics(settings))
    await store.open()
    yield store
    await store.close()


async def _plazo(new_worker: NewWorker, topics: Topics, *words: str) -> Any:
    command = new_worker(topics, arguments=(*words, "--json"))
    assert await command.start().wait() == 0, command.output
    return json.loads(command.stdout_file.read_text())


async def test_an_unknown_status_is_counted_and_listed(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    acts = topics.order_status_changed
    worker = await new_worker(topics, **HASTY).start().wait_ready()
    ignoring = {"unknown_status": "ignore"}
    await market.publish(
        market.order("a"), market.act("a", "Start-Handlin"), market.act("b", "handling"),
        market.act("c", "Start-Handlin"), market.act("c", "gone fishing"), partition=1,
    )  # fmt: skip
    await market.told("a escalation unknown-status")
    metrics = await worker.metrics()
    assert metrics[f'plazo_unknown_statuses_total{{topic="{acts}"}}'] == 3
    listed = await _plazo(new_worker, topics, "statuses", "--unknown")
    first, second = listed
    assert (first["status"], first["records"], first["nearest"]) == (
        "Start-Handlin", 2, "start-handling",
    )  # fmt: skip
    assert (first["topic"], first["first_place"], first["last_place"]) == (acts, "1/0", "1/2")
    assert (second["status"], second["records"]) == ("gone fishing", 1)
    assert await worker.sigterm() == 0
    other = await new_worker(topics, **HASTY, **ignoring).start().wait_ready()
    await market.publish(market.order("d"), market.act("d", "Start-Handlin"), partition=1)
    await market.told("a escalation unknown-status", "d auto-cancel stock-not-validated")
    metrics = await other.metrics()
    assert metrics[f'plazo_unknown_statuses_total{{topic="{acts}"}}'] == 1, "it leaves its trace"


async def test_the_list_of_unknown_statuses_is_bounded(store: Database) -> None:
    def told(*words: str, offset: int = 0) -> dict[tuple[str, str], UnknownStatus]:
        place = (0, offset, NOW)
        return {(word, "acts"): UnknownStatus(place, place, 1) for word in words}

    async with store.transaction() as tx:
        await store_unknown(tx, told(*(f"word {n}" for n in range(MOST - 1)), offset=1))
        await store_unknown(tx, told("a", "b", "c", "word 0", offset=2))
        await store_unknown(tx, told("d", "word 1", offset=3))
    rows = await store.rows("unknown_statuses", 10)
    assert rows[0]["matching"] == MOST + 1
    assert {row["status"]: row["records"] for row in rows[:3]} == {
        "": 3, "word 0": 2, "word 1": 2,
    }  # fmt: skip
    assert (rows[0]["first_place"], rows[0]["last_place"]) == ("0/2", "0/3")


async def test_acts_without_an_order_are_listed(
    new_worker: NewWorker, topics: Topics, market: Market, database: str
) -> None:
    worker = await new_worker(topics, **HASTY).start().wait_ready()
    await market.publish(market.act("ghost", "ready-for-handling"), market.act("ghost", "handling"))

    async def seen() -> bool:
        await _execute(database, "UPDATE orders SET received_at = received_at - interval '2 h'")
        return (await worker.metrics())["plazo_orphan_orders"] == 1

    await eventually(seen, 20)
    (found,) = (await _plazo(new_worker, topics, "orphans"))["orders"]
    assert (found["order_id"], found["acts"]) == ("ghost", 2)
    assert (found["first_status"], found["last_status"]) == ("ready-for-handling", "handling")
    assert (await _plazo(new_worker, topics, "orphans", "--older-than", "30d"))["orders"] == []
    await market.publish(market.order("ghost"))

    async def gone() -> bool:
        return (await worker.metrics())["plazo_orphan_orders"] == 0

    await eventually(gone, 20)


async def test_a_refusal_of_no_known_order_concerns_all_of_its_partition(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    worker = await new_worker(topics, **HASTY).start().wait_ready()
    acts = topics.order_status_changed

    async def refusals(number: int) -> bool:
        metrics = await worker.metrics()
        return (
            metrics["plazo_astray_refusals"]
            == metrics['plazo_guard_held_lanes{reason="astray"}']
            == number
        )

    await market.publish(market.order("a"), partition=0)
    await market.publish(market.order("b"), partition=1)
    await market.publish((acts, STRAY_KEY, b"\x00?"), partition=0)
    expected = ["a escalation unreadable-evidence", "b auto-cancel stock-not-validated"]
    await market.told(*expected)
    await eventually(lambda: refusals(1), 20)
    (found,) = (await _plazo(new_worker, topics, "orphans"))["refusals"]
    assert (found["place"], found["names"]) == (f"{acts}/0/0", [STRAY_KEY])
    discard = ("dead-letters", "discard", str(found["id"]), "--yes", "--by", "ana")
    await _plazo(new_worker, topics, *discard)
    await eventually(lambda: refusals(0), 20)
    await market.publish(market.order("c"), partition=0)
    await market.told(*expected, "c auto-cancel stock-not-validated")


async def test_a_refusal_that_came_before_its_order_concerns_that_order_only(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    worker = await new_worker(topics, **HASTY).start().wait_ready()
    await market.publish((topics.order_status_changed, "a", b"?"), partition=0)
    await eventually(market.dead_letters)
    await market.publish(market.order("a"), market.order("b"), partition=0)
    await market.told("a escalation unreadable-evidence", "b auto-cancel stock-not-validated")

    async def cleared() -> bool:
        return (await worker.metrics())["plazo_astray_refusals"] == 0

    await eventually(cleared, 20)


async def test_stray_refusals_can_be_ignored(
    new_worker: NewWorker, topics: Topics, market: Market
) -> None:
    await new_worker(topics, **HASTY, astray_refusals="ignore").start().wait_ready()
    await market.publish(market.order("a"), partition=0)
    await market.publish((topics.order_status_changed, STRAY_KEY, b"?"), partition=0)
    await market.told("a auto-cancel stock-not-validated")


async def test_one_whose_replay_was_not_read_counts_while_older_deadlines_are_open(
    store: Database, database: str
) -> None:
    """A verdict could rest on a proof from before the replay."""
    scope = EvidenceScope(("acts",), "acts", narrow=False)
    letter = (0, "acts", 0, 0, NOW, NOW, "not-json", "?", None, b"?", [], [], [], True)

    async def astray() -> bool:
        async with store.transaction() as tx:
            await tx.execute("clear_astray", [0])
        async with store.transaction() as tx:
            return (await scope.reading(tx, 0)).astray_at is not None

    async with store.transaction() as tx:
        await tx.execute("insert_dead_letters", *letter)
        await tx.execute("arm_deadlines", 0, NOW, ["due"])
    assert await astray()
    for read, counts in ((False, True), (True, False)):
        await _execute(database, "UPDATE dead_letters SET settled = NULL, astray = true")
        async with store.transaction() as tx:
            await tx.execute("settle_dead_letters", [1], "replayed", "ana", read)
        assert await astray() is counts
    await _execute(database, "UPDATE dead_letters SET settled = NULL, astray = true")
    async with store.transaction() as tx:
        await tx.execute("settle_dead_letters", [1], "replayed", "ana", False)
    await _execute(database, "DELETE FROM deadlines")
    assert not await astray()


async def _execute(database: str, statement: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
