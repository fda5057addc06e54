"""The runbooks' commands and statements, run as they stand against a worker at work."""

from collections.abc import Callable

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support import runbooks
from tests.support.market import Market
from tests.support.parts import Kafka
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics
from tests.support.trap import set_trap
from tests.support.waiting import eventually

NewWorker = Callable[..., WorkerProcess]
SILENT = "auto-cancel stock-not-validated"


async def test_every_command_and_statement_works(
    new_worker: NewWorker, topics: Topics, market: Market, database: str
) -> None:
    await new_worker(topics).start().wait_ready()
    await market.publish(market.order("a"), (topics.order_status_changed, "a", b"?"))
    await eventually(market.dead_letters)
    connection = await asyncpg.connect(database)
    try:
        for page, statement in runbooks.blocks("sql"):
            for one in statement.split(";"):
                plan = await connection.fetch(f"EXPLAIN {one}")  # knows every table and column
                assert plan, page
                if one.lstrip().startswith("SELECT"):
                    await connection.fetch(one)
        number = await connection.fetchval("SELECT id FROM dead_letters")
    finally:
        await connection.close()
    # What settles the record comes first: after it there is nothing left to settle.
    # A lane that fails comes last: with it the checks would fail as well.
    rank = {"discard": 0, "skip": 2}
    commands = sorted(
        runbooks.commands(), key=lambda one: min([rank[w] for w in one.split() if w in rank] or [1])
    )
    assert len(commands) > 10
    names = {
        "NAME": "ana", "ORDER": "a", "ID": str(number), "TOPIC": topics.order_status_changed,
    }  # fmt: skip
    for words in commands:
        if words == "deliver":
            continue  # a service that the page names; test_deliver.py runs it
        if "skip" in words.split() and "OFFSET" not in names:
            names |= await _fail(market, database, topics)
        for name, value in names.items():
            words = words.replace(name, value)
        command = new_worker(topics, arguments=words.split()).start()
        assert await command.wait() == 0, f"plazo {words}\n{command.output}"


async def _fail(market: Market, database: str, topics: Topics) -> dict[str, str]:
    """Make a lane fail at a record; where that stands."""
    await set_trap(database)
    connection = await asyncpg.connect(database)
    query = "SELECT next_offset FROM positions WHERE topic = $1 AND partition = 2"
    offset = await connection.fetchval(query, topics.order_created)
    await connection.close()
    await market.publish(market.order("bad"), partition=2)
    return {"TOPIC": topics.order_created, "PARTITION": "2", "OFFSET": str(offset)}


@pytest.mark.apache_kafka
async def test_a_topic_made_anew_is_read_again_and_cancels_nobody(
    new_worker: NewWorker, topics: Topics, market: Market, database: str, kafka: Kafka
) -> None:
    """The command of PlazoLaneHalted, and what it promises."""
    more = {"stock_window": "PT20S", "grace": "PT0S", "astray_refusals": "ignore"}
    worker = await new_worker(topics, **more).start().wait_ready()
    acts = topics.order_status_changed
    for partition in range(3):
        await market.publish(
            market.order(f"kept-{partition}"), market.act(f"kept-{partition}", "start-handling"),
            market.act(f"unknown-{partition}", "invoiced"), partition=partition,
        )  # fmt: skip
    await market.publish((acts, "unread", b"?"), partition=0)
    await market.publish(market.order("before"))
    await eventually(lambda: _open(worker, 4), 20, "all is read")
    assert await worker.sigterm() == 0
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([acts])

        async def made() -> bool:
            answer = await admin.create_topics([NewTopic(acts, 3, 1)])
            return bool(answer.topic_errors[0][1] == 0)

        await eventually(made, 20, "the topic is there again")
    finally:
        await admin.close()
    halted = new_worker(topics, **more).start()
    await eventually(lambda: "lane_halted" in halted.output, 40, "it halts")
    # In the new log another record is refused where one was in the old.
    await market.publish(*[(acts, "unread", b"?")] * 3, partition=0)
    (cure,) = (
        words for words in runbooks.commands() if "rewind" in words and "--dry-run" not in words
    )
    command = new_worker(topics, arguments=cure.replace("TOPIC", acts).split()).start()
    assert await command.wait() == 0, command.output
    await halted.wait_ready()
    await market.publish(market.order("after"))
    await market.told(f"after {SILENT}", "before escalation evidence-incomplete", timeout=60)


async def _open(worker: WorkerProcess, number: int) -> bool:
    told = await worker.metrics()
    return sum(v for k, v in told.items() if k.startswith("plazo_open_deadlines")) == number
