"""Topics that change while lanes stand on them: wider, made anew, cut by retention."""

import asyncio
from datetime import datetime

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from tests.end_to_end.audit import audit
from tests.end_to_end.plan import Message
from tests.end_to_end.reader import Reader
from tests.end_to_end.world import World
from tests.support.processes import WorkerProcess
from tests.support.topics import Topics, create_topics
from tests.support.waiting import eventually

from .stage import GRACE, WINDOW, Stage


async def widen(stage: Stage, widths: dict[str, int]) -> None:
    """Add partitions, up to so many."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_partitions(
            {name: NewPartitions(total_count=width) for name, width in widths.items()}
        )
    finally:
        await admin.close()


async def test_partitions_are_added_to_inputs_and_decisions(stage: Stage) -> None:
    """Orders that entered before are spoken for in partitions that nobody knew of then."""
    topics = await stage.make_topics(created=3, status=3)
    before = World(61, 600, topics, WINDOW, GRACE, spread=12)
    await stage.ready_workers(topics, 2)

    seen: dict[str, datetime] = {}
    bootstrap = stage.kafka.bootstrap_servers
    async with Reader(bootstrap, topics.decisions, topics.dead_letters) as reader:
        publishing = asyncio.create_task(before.publish(bootstrap, reader.first_seen))
        await asyncio.sleep(9)
        async with stage.fault("partitions added"):
            grown = {
                topics.decisions: 6,
                topics.order_status_changed: 7,
                topics.order_created: 5,
            }
            await widen(stage, grown)
            wider = Topics(
                topics.order_created,
                topics.order_status_changed,
                topics.decisions,
                topics.dead_letters,
                topics.widths | grown,
            )
        await _speak_through_new_partitions(stage, before, wider)
        await publishing
        seen |= reader.first_seen

    after = World(62, 800, wider, WINDOW, GRACE, spread=30)
    async with stage.publishing(after) as reader:
        reader.first_seen.update(seen)

    _merge(after, before)
    stage.judge(after, reader)


async def _speak_through_new_partitions(stage: Stage, world: World, wider: Topics) -> None:
    """Every order that is silent and has time left is confirmed, by a client that sees them all."""
    await asyncio.sleep(0.5)
    narrow = world.topics
    world.topics = wider
    try:
        silent = [one for one in world.orders.values() if one.behaviour == "silent"]
        messages = [
            world.act(one, "start-handling", one.entered_at, partitioner="foreign")
            for one in silent
            if one.created_at is not None
        ]
        await publish(stage, world, messages)
    finally:
        world.topics = narrow


async def publish(stage: Stage, world: World, messages: list[Message]) -> None:
    """Publish by a client of its own, and let the world remember it."""
    bootstrap = stage.kafka.bootstrap_servers
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        await world._send(producer, bootstrap, messages)
    finally:
        await producer.stop()


def _merge(into: World, other: World) -> None:
    into.orders |= other.orders
    into.poisoned |= other.poisoned
    into.published += other.published


async def test_retention_removes_what_was_read(stage: Stage) -> None:
    """The beginning of the logs moves up to the stored positions: nothing is missing, or held."""
    topics = await stage.make_topics(created=4, status=6)
    world = World(63, 800, topics, WINDOW, GRACE, spread=20)
    running = await stage.ready_workers(topics, 2)
    admin = AIOKafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap_servers)
    await admin.start()

    async with stage.publishing(world) as reader:
        for _ in range(4):
            await asyncio.sleep(3)
            stage.strike("logs cut")
            for topic in (topics.order_created, topics.order_status_changed):
                for number in range(topics.widths[topic]):
                    position = await stage.value(
                        "SELECT next_offset FROM positions WHERE topic = $1 AND partition = $2",
                        topic,
                        number,
                    )
                    part = TopicPartition(topic, number)
                    if position:
                        await admin.delete_records({part: RecordsToDelete(before_offset=position)})
            running.append(stage.worker(topics))
            assert await running.pop(0).sigterm() == 0
    await admin.close()

    stage.judge(world, reader)


@pytest.mark.parametrize(
    ("running", "orders"),
    [(True, 40), (False, 40), (False, 900)],
    ids=["while it runs", "while it is away", "and has outgrown the position"],
)
async def test_an_input_is_made_anew_under_a_stored_position(
    stage: Stage, running: bool, orders: int
) -> None:
    """What stands there now is not what was read: those lanes halt, loudly, and decide nothing."""
    topics = await stage.make_topics(created=2, status=2)
    world = World(64, 300, topics, WINDOW, GRACE, spread=5)
    bootstrap = stage.kafka.bootstrap_servers
    (worker,) = await stage.ready_workers(topics, 1)
    async with Reader(bootstrap, topics.decisions, topics.dead_letters) as reader:
        await world.publish(bootstrap, reader.first_seen)
        await stage.settle_without_stopping(world, reader)
        told = len(reader.events)
        if not running:
            assert await worker.sigterm() == 0

        await _make_anew(stage, topics.order_status_changed, 2)
        later = World(65, orders, topics, WINDOW, GRACE, spread=1, behaviours=["confirms in time"])
        await later.publish(bootstrap, reader.first_seen)
        # Long enough for the name to hide that it is another log, or not.
        assert await _outgrown(stage, topics.order_status_changed, 2) == (orders > 40)
        if not running:
            worker.start()
        await eventually(lambda: _halted(worker, 2), 45, "both lanes are halted")
        assert (await worker.get("/readyz"))[0] == 503
        assert (await worker.get("/livez"))[0] == 200
        assert "lane_halted" in worker.output
        await asyncio.sleep((WINDOW + GRACE).total_seconds() + 3)
        await reader.catch_up()
        assert len(reader.events) == told, "a verdict fell on a log that was not read"
        # The rest of the audit: what was told before stands, and nobody was cancelled since.
        assert await worker.sigterm() == 0
        await reader.catch_up()
    found = audit(world, reader)
    print(found)
    print("recovery: none, on purpose: a person decides")
    found.check()


async def test_a_lane_whose_log_was_cut_short_holds_the_verdicts_of_all(stage: Stage) -> None:
    """An unread partition that ends before our position looks read: it must not count as such."""
    topics = await stage.make_topics(created=1, status=2)
    bootstrap = stage.kafka.bootstrap_servers
    before = World(66, 200, topics, WINDOW, GRACE, spread=3)
    (worker,) = await stage.ready_workers(topics, 1)
    async with stage.publishing(before) as reader:
        pass
    where = f"WHERE topic = '{topics.order_status_changed}' AND partition = 1"
    position = await stage.value(f"SELECT next_offset FROM positions {where}")

    world = World(67, 60, topics, WINDOW, GRACE, spread=2, behaviours=FOREIGN)
    async with Reader(bootstrap, topics.decisions, topics.dead_letters) as reader:
        await reader.catch_up()
        told = len(reader.events)
        async with stage.fault("position beyond the end"):
            await stage.execute(f"UPDATE positions SET next_offset = 1000000 {where}")
            worker.start()
            await eventually(lambda: _halted(worker, 1), 30, "one lane is halted")
            await world.publish(bootstrap, reader.first_seen)
            await asyncio.sleep((WINDOW + GRACE).total_seconds() + 8)
            await reader.catch_up()
            assert len(reader.events) == told, [one.order_id for one in reader.events[told:]]
            assert (await worker.metrics())['plazo_guard_held_lanes{reason="probe"}'] == 1
            # A person knows where the lane has to go on.
            assert await worker.sigterm() == 0
            await stage.execute(f"UPDATE positions SET next_offset = {position} {where}")
        worker.start()
        await stage.settle(world, reader)
    _merge(world, before)
    stage.judge(world, reader)


FOREIGN = ("act goes to a foreign partition", "silent", "confirms in time", "act goes by crc32")


async def _make_anew(stage: Stage, topic: str, width: int) -> None:
    bootstrap = stage.kafka.bootstrap_servers
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await eventually(gone, 20)
    finally:
        await admin.close()
    await create_topics(bootstrap, {topic: width})


async def _outgrown(stage: Stage, topic: str, width: int) -> bool:
    consumer = AIOKafkaConsumer(bootstrap_servers=stage.kafka.bootstrap_servers)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, n) for n in range(width)])
    finally:
        await consumer.stop()
    stored = [
        await stage.value(
            "SELECT next_offset FROM positions WHERE topic = $1 AND partition = $2",
            topic,
            tp.partition,
        )
        < end
        for tp, end in ends.items()
    ]
    assert len(set(stored)) == 1, "one of them has, and one has not"
    return stored[0]


async def _halted(worker: WorkerProcess, lanes: int) -> bool:
    status, body = await worker.get("/metrics")
    return status == 200 and f"plazo_lanes_halted {lanes}.0" in body
