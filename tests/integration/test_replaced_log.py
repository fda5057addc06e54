"""A topic that is replaced under a frozen worker, and has grown past its position when it wakes."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support.market import Market, now
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.waiting import eventually

NewWorker = Callable[..., WorkerProcess]


@pytest.mark.apache_kafka
async def test_evidence_below_the_position_of_a_frozen_worker_is_not_passed_over(
    new_worker: NewWorker, topics: Topics, market: Market, kafka: Kafka, database: str
) -> None:
    times = {"stock_window": "PT25S", "grace": "PT0S", "session_timeout": "PT45S"}
    acts = topics.order_status_changed
    worker = await new_worker(topics, **times).start().wait_ready()
    await market.publish(
        market.order("a"), *[market.act(f"other-{n}", "invoiced") for n in range(20)], partition=0
    )
    await eventually(lambda: _read(worker), 20, "all is read")
    worker.sigstop()
    await _replace(kafka, acts)
    # The seller acts in time, and the new log grows past the position of the old one.
    await market.publish(
        market.act("a", "start-handling"),
        *[market.act(f"more-{n}", "invoiced") for n in range(40)],
        partition=0,
    )
    await asyncio.sleep(4)
    worker.sigcont()
    await eventually(lambda: "lane_halted" in worker.output, 40, "it halts")
    assert "belongs to another topic of the same name" in worker.output
    # All partitions are new, so the lanes of the others would halt as well.
    cure = ["positions", "rewind", acts, "--by", "ana"]
    assert await new_worker(topics, arguments=cure).start().wait() == 0
    await worker.wait_ready()

    async def judged() -> bool:
        return await _rows(database, "SELECT finding FROM orders WHERE order_id = 'a'") != [(None,)]

    await eventually(judged, 40, "its deadline is judged")
    assert await market.decisions() == []


async def test_a_log_that_was_found_to_be_another_stays_so_until_a_person_decides(
    new_worker: NewWorker, topics: Topics, market: Market, database: str
) -> None:
    """Compaction has removed the difference since, and the log looks as the one that was read."""
    acts = topics.order_status_changed
    times = {"stock_window": "PT8S", "grace": "PT0S"}
    worker = await new_worker(topics, **times).start().wait_ready()
    await market.publish(market.order("a"), market.act("other", "invoiced"), partition=0)
    read = "SELECT next_offset FROM positions WHERE topic = $1 AND partition = 0"

    async def all_is_read() -> bool:
        return await _rows(database, read, acts) == [(1,)]

    await eventually(all_is_read, 20, "all is read")
    found = "UPDATE positions SET other_log = $2 WHERE topic = $1 AND partition = 0"
    await _rows(database, found, acts, "was cut: offset 7")
    assert await worker.sigterm() == 0
    worker = new_worker(topics, **times).start()
    reason = f"{acts}/0 was cut: offset 7"

    async def halted() -> bool:
        return "lane_halted" in worker.output and reason in worker.output

    await eventually(halted, 40, "it halts")
    await market.publish(market.order("b"), partition=1)
    # By then both would have lapsed: what the halted lane has not read may be about any order.
    await asyncio.sleep(10)
    assert await market.decisions() == []
    cure = ["positions", "rewind", acts, "--partition", "0", "--by", "ana"]
    assert await new_worker(topics, arguments=cure).start().wait() == 0
    await worker.wait_ready()
    assert {one.value["reason"] for one in await market.told(
        "a escalation evidence-incomplete", "b escalation evidence-incomplete"
    )} == {"evidence-incomplete"}  # fmt: skip


async def _replace(kafka: Kafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def made() -> bool:
            answer = await admin.create_topics([NewTopic(topic, 3, 1)])
            return bool(answer.topic_errors[0][1] == 0)

        await eventually(made, 20, "the topic is there again")
    finally:
        await admin.close()


async def _read(worker: WorkerProcess) -> bool:
    metrics = await worker.metrics()
    read = sum(v for k, v in metrics.items() if k.startswith("plazo_records_total"))
    return read == 21


async def test_records_that_are_read_again_meet_their_own_dead_letters(
    new_worker: NewWorker, topics: Topics, market: Market, database: str
) -> None:
    acts = topics.order_status_changed
    worker = await new_worker(topics, stock_window="PT1H").start().wait_ready()
    await market.publish(market.order("a"), (acts, "a", b"?"), partition=0)
    await market.publish(
        (acts, "a", {
            "order_id": "a", "occurred_at": now().isoformat(), "author": "ana", "reason": "flood",
        }),
        partition=0, ce_type="marketplace.order.deadline-held.v1",
    )  # fmt: skip
    await eventually(market.dead_letters)

    async def plazo(*words: str) -> WorkerProcess:
        command = new_worker(topics, arguments=words)
        await command.start().wait()
        return command

    async def read() -> bool:
        query = "SELECT next_offset FROM positions WHERE topic = $1 AND partition = 0"
        return await _rows(database, query, acts) == [(2,)]

    await eventually(read, 20)
    assert (await plazo("dead-letters", "discard", "1", "--yes", "--by", "ana")).exit_code == 0
    ahead = await plazo("positions", "rewind", acts, "--partition", "0", "--to", "3")
    assert ahead.exit_code == 1
    assert f"{acts}/0 goes from 0 to 2, without 3" in ahead.output
    planned = await plazo("positions", "rewind", acts, "--partition", "0", "--dry-run", "--json")
    assert json.loads(planned.output)["positions"] == [{"partition": 0, "before": 2, "after": 0}]
    assert await read()
    assert (await plazo("positions", "rewind", acts, "--by", "ana")).exit_code == 0
    await eventually(read, 40, "all is read again")
    assert "UniqueViolation" not in worker.output
    query = "SELECT settled, order_id FROM dead_letters d JOIN shields s ON s.dead_letter = d.id"
    assert await _rows(database, query) == [(None, "a")]
    assert await _rows(database, "SELECT count(*) FROM deadline_changes") == [(1,)]
    covered = "SELECT count(*) FROM positions WHERE topic = $1 AND covered_since IS NOT NULL"
    assert await _rows(database, covered, acts) == [(3,)]
    done = "SELECT author, arguments->>'topic' FROM actions WHERE command = 'positions rewind'"
    assert await _rows(database, done) == [("ana", acts)]
    await worker.wait_ready()


async def _rows(database: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(database)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()
