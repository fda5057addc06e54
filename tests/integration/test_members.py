"""Members of the group with names of their own, and members that others remove."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.parts import Kafka
from tests.support.topics import Topics
from tests.support.waiting import eventually
from worker.errors import KafkaUnavailable
from worker.kafka.admin import KafkaAdmin
from worker.kafka.consumer import Consumer
from worker.records import Partition
from worker.settings import Settings

pytestmark = pytest.mark.apache_kafka


class Member:
    """One member, and the lanes of each of its assignments."""

    def __init__(self, kafka: Kafka, topics: Topics, **more: Any) -> None:
        created = {"order_created_topic": topics.order_created}
        self.settings = Settings(
            _env_file=None,
            kafka_bootstrap_servers=kafka.bootstrap_servers,
            group_id=f"members-{topics.order_created}",
            session_timeout="PT30S",
            **created | {"order_status_changed_topic": topics.order_status_changed} | more,
        )
        self.lanes: list[list[int]] = []
        self.consumer = Consumer(self.settings, self._assigned, self._revoked)

    async def start(self) -> "Member":
        await self.consumer.start()
        return self

    async def joined(self, lanes: Sequence[int]) -> None:
        await eventually(lambda: self.lanes and self.lanes[-1] == [*lanes], 15, f"{self.lanes}")

    def _assigned(self, partitions: Sequence[Partition]) -> None:
        self.lanes.append(sorted({number for _, number in partitions}))

    async def _revoked(self) -> None: ...

    def vanish(self) -> None:
        """End without a word to the group, as a crash does."""
        consumer: Any = self.consumer._consumer
        for task in (
            consumer._coordinator._heartbeat_task,
            consumer._coordinator._coordination_task,
        ):
            task.cancel()


async def pair(kafka: Kafka, topics: Topics) -> tuple[Member, Member]:
    """Two members with names and lanes of their own; the first one leads the group."""
    first = await Member(kafka, topics, instance="a").start()
    await first.joined([0, 1, 2])
    second = await Member(kafka, topics, instance="b").start()
    await eventually(lambda: second.lanes and first.lanes[-1] + second.lanes[-1], 15)
    await eventually(lambda: sorted(first.lanes[-1] + second.lanes[-1]) == [0, 1, 2], 15)
    return first, second


async def test_a_member_comes_back_to_its_lanes_without_a_rebalance(
    kafka: Kafka, topics: Topics
) -> None:
    first, second = await pair(kafka, topics)
    assigned = len(second.lanes)
    own = first.lanes[-1]
    await first.consumer.stop(leave=False)
    back = await Member(kafka, topics, instance="a").start()
    try:
        await back.joined(own)
        await asyncio.sleep(1.5)  # three heartbeats: the other would know of a rebalance
        assert len(second.lanes) == assigned
        await back.consumer.stop()
        await second.joined([0, 1, 2])
    finally:
        await back.consumer.stop()
        await second.consumer.stop()


async def test_partitions_that_were_added_meanwhile_are_read(kafka: Kafka, topics: Topics) -> None:
    """The broker takes a leader that comes back for the leader still; it does not know it."""
    first, second = await pair(kafka, topics)
    await first.consumer.stop(leave=False)
    admin = KafkaAdmin(first.settings)
    await admin.widen(topics.order_status_changed, 5)
    await admin.close()
    back = await Member(kafka, topics, instance="a").start()
    try:
        await eventually(
            lambda: back.lanes and sorted(back.lanes[-1] + second.lanes[-1]) == [0, 1, 2, 3, 4],
            20,
            "all five lanes have an owner",
        )
    finally:
        await back.consumer.stop()
        await second.consumer.stop()


async def test_a_member_that_reads_another_topic_begins_anew(kafka: Kafka, topics: Topics) -> None:
    """The broker gives it the lanes of its old topics; nobody would read the new one."""
    first, second = await pair(kafka, topics)
    await first.consumer.stop(leave=False)
    back = await Member(
        kafka, topics, instance="a", deadline_changes_topic=topics.dead_letters
    ).start()
    try:
        await eventually(lambda: back.lanes, 15)
        with pytest.raises(KafkaUnavailable, match="other topics"):
            back.consumer.check()
    finally:
        await back.consumer.stop()
        await second.consumer.stop()


async def test_a_dead_member_is_removed_while_a_rebalance_waits_for_it(
    kafka: Kafka, topics: Topics
) -> None:
    """The survivor waits for the rebalance on its connection to the group: it needs another."""
    dead = await Member(kafka, topics).start()
    await dead.joined([0, 1, 2])
    member_id = dead.consumer.member_id
    assert member_id is not None
    dead.vanish()
    survivor = await Member(kafka, topics).start()
    try:
        await asyncio.sleep(1)
        assert not survivor.lanes, "the group waits for the dead one"
        await survivor.consumer.remove(member_id)
        await survivor.joined([0, 1, 2])
        await survivor.consumer.remove(member_id)  # is no member any more
    finally:
        await survivor.consumer.stop()
        await dead.consumer.stop()


async def test_a_live_member_that_is_removed_in_doubt_joins_again(
    kafka: Kafka, topics: Topics
) -> None:
    first = await Member(kafka, topics).start()
    await first.joined([0, 1, 2])
    second = await Member(kafka, topics).start()
    try:
        await eventually(lambda: second.lanes, 15)
        member_id = first.consumer.member_id
        assert member_id is not None
        await second.consumer.remove(member_id)
        await eventually(lambda: first.consumer.member_id not in (None, member_id), 15)
        await eventually(lambda: sorted(first.lanes[-1] + second.lanes[-1]) == [0, 1, 2], 15)
    finally:
        await first.consumer.stop()
        await second.consumer.stop()


async def test_a_process_without_its_name_does_not_join(kafka: Kafka, topics: Topics) -> None:
    """A frozen process that wakes would push its successor out of the group."""
    member = Member(kafka, topics, instance="a")
    allowed = False
    asked = asyncio.Event()

    async def may_join() -> bool:
        asked.set()
        return allowed

    member.consumer.may_join = may_join
    await member.start()
    try:
        await asyncio.wait_for(asked.wait(), 15)
        await asyncio.sleep(0.5)
        assert not member.lanes
        allowed = True
        await member.joined([0, 1, 2])
    finally:
        await member.consumer.stop()
