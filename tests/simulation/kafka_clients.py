"""The three clients of a worker, with the interfaces of Consumer, OffsetReader and Producer.

What they ask for happens at the broker, so a frozen or killed process leaves its requests on the
way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tests.simulation.kafka import HEARTBEAT, LATEST_ARRIVAL, Log, resolve
from tests.simulation.loop import PROCESS
from worker.errors import KafkaUnavailable, PublishFailed
from worker.kafka.consumer import NotAssigned, PositionLost, RecordSink
from worker.kafka.offsets import Bounds, Tip
from worker.kafka.producer import Message, TooLarge
from worker.records import Batch, Mark, Partition, Record, timestamp_of

if TYPE_CHECKING:
    from tests.simulation.world import World


class SimConsumer:
    """As worker.kafka.consumer.Consumer."""

    def __init__(
        self,
        settings: Any,
        assigned: Callable[[Sequence[Partition]], None],
        revoked: Callable[[], Awaitable[None]],
    ) -> None:
        self.process = PROCESS.get()
        self.world: World = self.process.world  # type: ignore[attr-defined]
        self.assignment = 0
        self.kicked = False
        self.generation = 0
        self._assigned = assigned
        self._revoked = revoked
        self._broker = self.world.broker
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._wanted: asyncio.Future[None] | None = None
        self._task: Any = None
        self.world.consumers += 1
        self.id = f"{self.world.rng.randrange(100):02}-{self.process.name}-{self.world.consumers}"

    async def start(self) -> None:
        await self.world.travel()
        if self._broker.down:
            raise KafkaUnavailable("on joining the group")
        self._task = asyncio.create_task(self._belong())

    async def stop(self, *, leave: bool = True) -> None:
        if self._task is not None:
            self._task.cancel()
            self.world.later(self.world.latency(), self._broker.group.remove, self)
            await self.world.travel()

    def check(self) -> None:
        """The membership lasts as long as its task."""

    def rejoin(self) -> None:
        """The coordinator's answer to a heartbeat: join anew."""
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    def thawed(self) -> None:
        if self.kicked:
            self.world.later(self.world.rng.uniform(0, 2 * HEARTBEAT), self.rejoin)

    async def _belong(self) -> None:
        while True:
            if self.assignment:
                self.assignment += 1
                await self._revoked()
            self._positions = {}
            self.kicked = False
            self._wanted = self.world.loop.create_future()
            parts = await self._broker.group.join(self)
            self.generation = self._broker.group.generation
            # A client starts at the group's committed offsets, and un-pauses on every rebalance.
            self._positions = {p: self._broker.group.committed.get(p, 0) for p in parts}
            self._paused = set(parts)
            self.assignment += 1
            self._assigned(parts)
            await self._wanted

    def seek(self, positions: Mapping[Partition, int]) -> None:
        if not positions.keys() <= self._positions.keys():
            raise NotAssigned
        self._positions.update(positions)
        self._paused -= positions.keys()

    async def pull(
        self,
        positions: Mapping[Partition, int],
        assignment: int,
        limit: int,
        wait: float,
        read_to: Mapping[Partition, int],
        sink: RecordSink,
    ) -> Batch:
        world = self.world
        if world.steps.pull_fault(self.process):
            await world.travel()
            raise KafkaUnavailable("on reading")
        # Longer than asked for: to come back with nothing is not worth so many steps.
        deadline = world.loop.now + 4 * wait
        while True:
            if not positions.keys() <= self._positions.keys():
                raise NotAssigned
            records: list[Record] = []
            order = list(positions)
            world.rng.shuffle(order)
            for partition in order:
                log = self._broker.logs[partition]
                if not log.begin <= self._positions[partition] <= log.end:
                    raise PositionLost
                if partition not in self._paused and not self._broker.down:
                    found, after = log.fetch(
                        world.loop.now, self._positions[partition], limit - len(records)
                    )
                    records += found
                    self._positions[partition] = after
            after_all = {p: self._positions[p] for p in positions}
            moved = {p: offset for p, offset in after_all.items() if offset > positions[p]}
            if moved or world.loop.now >= deadline:
                break
            await self._news(positions, deadline)
        # The client hands records over before it knows whether they are ours.
        sink(records)
        await world.travel()
        if assignment != self.assignment:
            raise NotAssigned
        last = {(r.topic, r.partition): Mark(r.offset, r.timestamp) for r in records}
        return Batch(len(records), moved, last)

    async def _news(self, positions: Mapping[Partition, int], deadline: float) -> None:
        """Wait for a change in one of the logs."""
        world = self.world
        future = world.loop.create_future()
        until = deadline
        for partition in positions:
            log = self._broker.logs[partition]
            log.waiting.append(future)
            at = self._positions[partition] - log.begin
            if 0 <= at < len(log.entries):
                seen = max(log.entries[at].stored_at + log.lag, log.stalled_until)
                if world.loop.now < seen:
                    until = min(until, seen + 0.001)
        timer = world.later(max(0.0, until - world.loop.now), resolve, future)
        try:
            await future
        finally:
            timer.cancel()
            for partition in positions:
                waiting = self._broker.logs[partition].waiting
                if future in waiting:
                    waiting.remove(future)

    def source(self, partition: Partition) -> object:
        """The leader. That a topic was made again does not show in it."""
        return self._broker.logs[partition].leader_epoch

    async def commit(self, positions: Mapping[Partition, int]) -> bool:
        with suppress(NotAssigned, KafkaUnavailable):
            await self.confirm(positions)
            return True
        return False

    async def confirm(self, positions: Mapping[Partition, int]) -> None:
        await self.world.travel()
        if self._broker.down:
            await self.world.travel()
            raise KafkaUnavailable("on asking the group")
        group = self._broker.group
        counted = self.id in group.members and self.generation == group.generation
        if counted:
            group.committed.update(positions)
        await self.world.travel()
        if not counted or not positions.keys() <= self._positions.keys():
            raise NotAssigned

    async def stable_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        await self.world.travel()
        return {partition: self._broker.logs[partition].stable_end for partition in partitions}


class SimOffsetReader:
    """As worker.kafka.offsets.OffsetReader."""

    def __init__(self, settings: Any) -> None:
        self.process = PROCESS.get()
        self.world: World = self.process.world  # type: ignore[attr-defined]
        self._topics = settings.input_topics

    async def tips(self) -> dict[Partition, Tip]:
        logs = [log for (topic, _), log in self._logs().items() if topic in self._topics]
        ends = {}
        # Each leader answers at its own moment.
        halves = self.world.rng.randint(0, len(logs))
        for part in (logs[:halves], logs[halves:]):
            await self._reach()
            ends.update({(log.topic, log.partition): self.end_of(log) for log in part})
        # The identities come after the ends.
        identities = {(log.topic, log.partition): log.identity for log in logs}
        await self.world.travel()
        return {partition: Tip(ends[partition], identities[partition]) for partition in ends}

    def end_of(self, log: Log) -> int:
        return log.end

    async def widths(self, topics: Sequence[str]) -> dict[str, int]:
        await self._reach()
        widths = self.world.broker.widths
        return {topic: widths[topic] for topic in topics}

    async def bounds(self, partitions: Sequence[Partition]) -> dict[Partition, Bounds]:
        await self._reach()
        bounds = {}
        for partition in partitions:
            log = self._logs()[partition]
            records = (entry.record for entry in log.entries if entry.record)
            # As the real reader: it asks for the first record at or after the epoch.
            first = next((record for record in records if record.timestamp >= 0), None)
            at = timestamp_of(first.timestamp) if first else None
            bounds[partition] = Bounds(log.begin, log.end, at, log.topic_id)
        await self.world.travel()
        return bounds

    async def timestamps(self, offsets: Mapping[Partition, int]) -> dict[Partition, int | None]:
        await self._reach()
        found: dict[Partition, int | None] = {}
        for partition, offset in offsets.items():
            log = self._logs()[partition]
            if log.begin <= offset < log.end:
                entry = log.entries[offset - log.begin]
                if entry.record or entry.is_marker:
                    found[partition] = entry.record.timestamp if entry.record else None
        await self.world.travel()
        return found

    async def first_records(self, ranges: Mapping[Partition, range]) -> dict[Partition, int]:
        if not ranges:
            return {}
        await self._reach()
        found = {}
        for partition, gap in ranges.items():
            committed = (record.offset for record in self._logs()[partition].records())
            first = next((offset for offset in committed if offset in gap), None)
            if first is not None:
                found[partition] = first
        await self.world.travel()
        return found

    async def tail(
        self, topic: str, partition: int, count: int
    ) -> list[tuple[tuple[str, bytes], ...]]:
        await self._reach()
        entries = self._logs()[topic, partition].entries[-count:]
        headers = [entry.record.headers for entry in entries if entry.record]
        await self.world.travel()
        return headers

    async def close(self) -> None:
        pass

    def _logs(self) -> dict[Partition, Log]:
        return self.world.broker.logs

    async def _reach(self) -> None:
        await self.world.travel()
        if self.world.broker.down or self.world.steps.probe_fault(self.process):
            await self.world.travel()
            raise KafkaUnavailable("on asking for offsets")


class SimProducer:
    """As worker.kafka.producer.Producer."""

    def __init__(self, settings: Any) -> None:
        self.process = PROCESS.get()
        self.world: World = self.process.world  # type: ignore[attr-defined]

    async def publish(self, messages: Sequence[Message]) -> None:
        world, broker = self.world, self.world.broker
        large = [len(m.value or b"") > world.largest(m.topic) for m in messages]
        if any(large):
            index = large.index(True)
            world.later(0.0, self._append, messages[:index])
            await world.travel()
            raise TooLarge(index)
        fault = "down" if broker.down else world.steps.publish_fault(self.process)
        if fault is None:
            acknowledged = world.loop.create_future()

            def arrive() -> None:
                self._append(messages)
                world.later(world.latency(), resolve, acknowledged)

            world.later(world.latency(), arrive)
            await acknowledged
            return
        world.lateness.not_published()
        if fault in ("all", "some", "late"):
            world.processes.may_repeat(
                {_lane(m) for m in messages}, world.loop.now + LATEST_ARRIVAL
            )
        if fault == "some":
            messages = messages[: world.rng.randint(0, len(messages))]
        if fault in ("all", "some"):
            world.later(world.latency(), self._append, messages)
        elif fault == "late":
            world.later(world.rng.uniform(0.5, LATEST_ARRIVAL), self._append, messages)
        await world.travel()
        await asyncio.sleep(world.rng.uniform(0.1, 2.0))
        raise PublishFailed("simulated on publishing")

    def _append(self, messages: Sequence[Message]) -> None:
        world = self.world
        for m in messages:
            assert m.partition is not None
            log = world.broker.logs[m.topic, m.partition]
            offset = log.append(world.loop.now, m.key, m.value, m.headers)
            world.appended(self.process, log, offset)

    async def close(self) -> None:
        pass


def _lane(message: Message) -> int:
    """The lane that publishes a message: a dead letter names the partition that it came from."""
    source = dict(message.headers).get("plazo-source-partition")
    if source is not None:
        return int(source)
    assert message.partition is not None
    return message.partition
