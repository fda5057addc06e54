"""A member of the consumer group, and the records of the lanes that the group assigns to it.

Kafka decides which member reads a lane; Postgres decides from which offset. The offsets that the
group stores as committed are for lag tools only.

A member with a name of its own (KIP-345) comes back to the lanes that it had. Kafka then assigns
nothing anew, not even if topics have changed meanwhile: this module sees to that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoError,
    OffsetOutOfRangeError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.group import LeaveGroupRequest

from worker.errors import Halted, KafkaUnavailable
from worker.kafka.aiokafka_patch import as_record, bytes_read, gate_joins
from worker.kafka.assignor import WatchedAssignor
from worker.kafka.client import client_options
from worker.observability.logs import logger
from worker.records import Batch, Mark, Partition, Record
from worker.settings import Settings

log = logger(__name__)

# The longest time of stop(), in seconds: with the broker down it would not return at all.
_STOP_TIMEOUT = 5.0
# Of the request that removes another member, in seconds.
_REMOVE_TIMEOUT = 1.5
# Members learn by a heartbeat that the group wants them to join anew: all lanes wait for the last.
_HEARTBEAT_MS = 500
# Records that are passed on at once. The partitions of a lane are merged by time in chunks of this
# size while there is a backlog, and a chunk is processed before it leaves the processor's caches.
_CHUNK = 250
# Seconds that a partition which is ahead waits for those with older records. Their broker may be
# away.
_MERGE_WAIT = 0.25

RecordSink = Callable[[Sequence[Record]], None]


class PositionLost(Exception):
    """The log no longer holds the position: take the lane again to find a new one."""


class NotAssigned(Exception):
    """The partition is not assigned to this member, or no longer."""


class _Pull:
    """The progress of one pull: the records of a lane that were passed on so far."""

    def __init__(self, sink: RecordSink, reached: dict[TopicPartition, int]) -> None:
        self.count = 0
        self.reached = reached
        self.last: dict[Partition, Mark] = {}
        self._sink = sink

    def add(self, fetched: Mapping[TopicPartition, Sequence[Record]]) -> None:
        for tp, records in fetched.items():
            last = records[-1]
            self.count += len(records)
            self.reached[tp] = last.timestamp
            self.last[tp.topic, tp.partition] = Mark(last.offset, last.timestamp)
            self._sink(records)


class Consumer:
    """One member of the group, for one use: after :meth:`stop` make a new one."""

    def __init__(
        self,
        settings: Settings,
        assigned: Callable[[Sequence[Partition]], None],
        revoked: Callable[[], Awaitable[None]],
    ) -> None:
        self._topics = settings.input_topics
        self._group = settings.group_id
        self._named = settings.instance is not None
        self._assignor = WatchedAssignor()
        # Whether this process may join now; asked before each attempt.
        self.may_join: Callable[[], Awaitable[bool]] | None = None
        session = settings.session_timeout
        if self._named:
            session = max(session, settings.instance_absence)
        session_ms = int(session.total_seconds() * 1000)
        self._consumer = AIOKafkaConsumer(
            **client_options(settings, "consumer"),
            group_id=settings.group_id,
            group_instance_id=settings.instance,
            partition_assignment_strategy=(self._assignor,),
            enable_auto_commit=False,
            # A lane seeks its stored position before it reads; a reset would skip or repeat some.
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(100, min(_HEARTBEAT_MS, session_ms // 4)),
            rebalance_timeout_ms=max(session_ms, 15_000),
            # Our own watchdog sees whether lanes make progress. To lose them to another worker does
            # not help while Postgres is away.
            max_poll_interval_ms=86_400_000,
            max_partition_fetch_bytes=settings.fetch_bytes_per_partition,
            # Otherwise the broker answers for every single record, and a slow feed costs as much as
            # a fast one.
            fetch_min_bytes=16_384,
            fetch_max_wait_ms=20,
        )
        self._max_bytes = settings.max_batch_bytes
        # The widths for which this member has asked the group to assign anew.
        self._asked_after: dict[str, int] | None = None
        self._listener = _Listener(self._consumer, assigned, revoked, self._watch_widths)

    @property
    def assignment(self) -> int:
        """The number of the current assignment; a new one makes every earlier seek void."""
        return self._listener.assignment

    async def start(self) -> None:
        """Join the group.

        Raises:
            KafkaUnavailable: try again later, with a new consumer.
        """
        try:
            await self._consumer.start()
            gate_joins(self._consumer._coordinator, self.may_join)
            self._consumer.subscribe(self._topics, listener=self._listener)
        except (KafkaError, OSError) as error:
            await self.stop()
            raise KafkaUnavailable(f"{type(error).__name__} on joining the group") from None

    def check(self) -> None:
        """Check that the client still keeps up the membership.

        Reading does so as well, but a member without partitions reads nothing.

        Raises:
            KafkaUnavailable: the membership has ended, or cannot begin.
        """
        coordinator = self._consumer._coordinator
        if coordinator is None:
            return  # not started
        widths = self._assignor.widths
        if self._named and widths and not widths.keys() >= {*self._topics}:
            raise KafkaUnavailable("the lanes were assigned when this worker read other topics")
        try:
            coordinator.check_errors()
        except KafkaError as error:
            raise KafkaUnavailable(f"{type(error).__name__} in the membership") from None

    async def stop(self, *, leave: bool = True) -> None:
        """Leave the group and close the client, or give up after five seconds.

        With ``leave`` false a member that has a name stays in the group, and may come back.
        """
        if leave and self._consumer._coordinator is not None:
            self._consumer._coordinator._group_instance_id = None  # aiokafka would not leave
        with suppress(Exception):
            await asyncio.wait_for(self._consumer.stop(), _STOP_TIMEOUT)

    @property
    def member_id(self) -> str | None:
        """The name that the group gave to this member; ``None`` before it joins."""
        coordinator = self._consumer._coordinator
        return (coordinator.member_id or None) if coordinator is not None else None

    async def remove(self, member_id: str) -> None:
        """Remove another member from the group, so that no rebalance waits for it.

        A member that is none any more is no error. One that lives joins again at once.

        Raises:
            KafkaUnavailable: the group does not answer, or refuses.
        """
        coordinator = self._consumer._coordinator
        if coordinator is None or coordinator.coordinator_id is None:
            raise KafkaUnavailable("the coordinator of the group is not known")
        # Not on the connection of the membership: while it waits in there for a rebalance, the
        # broker reads no other request from it.
        request = self._consumer._client.send(
            coordinator.coordinator_id, LeaveGroupRequest(self._group, member_id)
        )
        try:
            answer = await asyncio.wait_for(request, _REMOVE_TIMEOUT)
        except (KafkaError, OSError, TimeoutError) as error:
            raise KafkaUnavailable(f"{type(error).__name__} on removing a member") from None
        outcome = for_code(answer.error_code)
        if outcome not in (NoError, UnknownMemberIdError):
            raise KafkaUnavailable(f"{outcome.__name__} on removing a member")

    def _watch_widths(self) -> None:
        """Have the group assign anew if a topic has other widths than at the last assignment.

        The leader of the group watches that. One that comes back under its name is still the
        leader for the broker, but does not know it: so each member with a name watches.
        """
        coordinator: Any = self._consumer._coordinator
        widths = self._assignor.widths
        if not self._named or not widths or coordinator._group_subscription is not None:
            return
        coordinator._group_subscription = widths.keys() & self._topics
        assigned_by = {topic: widths[topic] for topic in coordinator._group_subscription}
        coordinator._metadata_snapshot = assigned_by
        # Once: the leader may not have seen it yet, and then nothing changes.
        if coordinator._get_metadata_snapshot() != assigned_by != self._asked_after:
            self._asked_after = assigned_by
            coordinator.request_rejoin()

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Seek stored positions and resume their partitions.

        Raises:
            NotAssigned: a rebalance took them away.
        """
        try:
            for partition, offset in positions.items():
                self._consumer.seek(TopicPartition(*partition), offset)
            self._consumer.resume(*(TopicPartition(*p) for p in positions))
        except IllegalStateError:
            raise NotAssigned from None

    async def pull(
        self,
        positions: Mapping[Partition, int],
        assignment: int,
        limit: int,
        wait: float,
        read_to: Mapping[Partition, int],
        sink: RecordSink,
    ) -> Batch:
        """Pass the next records after ``positions`` to ``sink``, at most ``limit``.

        They are fewer once the process has read about as many bytes as one batch may have.

        ``sink`` gets them in chunks, those of a partition in their order, and need not keep them.
        ``wait`` is the time to wait for a first record, in seconds; if none comes, the batch is
        empty.

        ``assignment`` is the one under which the lane did its seek. The client starts every new
        assignment at the group's committed offset, so its records may leave a gap. ``read_to`` is
        the timestamp of the last record of each partition, in milliseconds since the epoch: of the
        partitions with a backlog the one furthest behind comes next, so that acts seldom overtake
        their orders.

        Raises:
            NotAssigned, PositionLost
            KafkaUnavailable: the client reports a fault; make a new consumer.
            Halted: a record cannot be read.
        """
        partitions = [TopicPartition(*partition) for partition in positions]
        try:
            for tp, partition in zip(partitions, positions, strict=True):
                # Another reader moved it, and took records that this lane has never seen.
                if await self._consumer.position(tp) != positions[partition]:
                    raise NotAssigned
            pulled = _Pull(
                sink, {tp: read_to.get((tp.topic, tp.partition), 0) for tp in partitions}
            )
            await self._merge(pulled, limit, wait)
            after = {
                (tp.topic, tp.partition): await self._consumer.position(tp) for tp in partitions
            }
            if assignment != self.assignment:
                raise NotAssigned
        except IllegalStateError:
            raise NotAssigned from None
        except OffsetOutOfRangeError:
            raise PositionLost from None
        except KafkaError as error:
            raise KafkaUnavailable(f"{type(error).__name__} on reading") from None
        except UnicodeError:
            # aiokafka_patch.py should prevent this. To skip the record could lose evidence.
            at = [await self._consumer.position(tp) for tp in partitions]
            raise Halted(f"a header name is not UTF-8, at or after offsets {at}") from None
        moved = {p: offset for p, offset in after.items() if offset > positions[p]}
        return Batch(pulled.count, moved, pulled.last)

    async def _merge(self, pulled: _Pull, limit: int, wait: float) -> None:
        partitions = [*pulled.reached]
        # Whether a partition with newer records waits for one with older records.
        ahead = False
        # Of all lanes together, so at times a pull ends sooner than it must.
        most = bytes_read() + self._max_bytes
        while pulled.count < limit and bytes_read() < most:
            behind = await self._furthest_behind(pulled.reached)
            ahead = ahead or len(behind) < len(partitions)
            chunk = min(_CHUNK, limit - pulled.count)
            patience = 0.0 if pulled.count else min(wait, _MERGE_WAIT) if ahead else wait
            fetched = await self._get(behind, chunk, patience)
            if not fetched and not pulled.count and ahead:
                fetched = await self._get(partitions, chunk, wait - patience)
            if not fetched:
                break
            pulled.add(fetched)
            # So that other tasks can continue with answers of Postgres.
            await asyncio.sleep(0)

    async def _get(
        self, partitions: Sequence[TopicPartition], limit: int, wait: float
    ) -> dict[TopicPartition, list[Record]]:
        fetched: Any = await self._consumer.getmany(
            *partitions, timeout_ms=int(wait * 1000), max_records=limit
        )
        return {tp: [as_record(one) for one in records] for tp, records in fetched.items()}

    async def _furthest_behind(
        self, reached: Mapping[TopicPartition, int]
    ) -> Sequence[TopicPartition]:
        """Return the partition with a backlog that was read to the earliest time.

        Returns all partitions if at most one has a backlog.
        """
        backlog = [tp for tp in reached if self._holds_more(tp, await self._consumer.position(tp))]
        return [*reached] if len(backlog) < 2 else [min(backlog, key=reached.__getitem__)]

    def _holds_more(self, tp: TopicPartition, position: int) -> bool:
        """Whether the log held records after a position when the client last fetched."""
        return position < (self._consumer.last_stable_offset(tp) or 0)

    def source(self, partition: Partition) -> object:
        """Return what a partition is fetched from: its leader, and the client's connection to it.

        As long as the answer is equal, the broker has neither restarted nor lost the leadership.
        """
        # The object itself, not its number, which a later connection may get.
        client = self._consumer._client
        leader = client.cluster.leader_for_partition(TopicPartition(*partition))
        return leader, client._conns.get((leader, ConnectionGroup.DEFAULT))

    async def commit(self, positions: Mapping[Partition, int]) -> bool:
        """Commit positions to the group, for lag tools; the worker never reads them.

        Returns whether the group took them.
        """
        offsets = {TopicPartition(*p): offset for p, offset in positions.items()}
        with suppress(KafkaError, IllegalStateError, TimeoutError):
            await asyncio.wait_for(self._consumer.commit(offsets), 5)
            return True
        return False

    async def confirm(self, positions: Mapping[Partition, int]) -> None:
        """Confirm the membership by a commit, which the group refuses to a former member.

        A process that hung would otherwise learn only by its next heartbeat that its lanes were
        assigned to another.

        Raises:
            NotAssigned: this is no longer a member.
            KafkaUnavailable: the group does not answer.
        """
        offsets = {TopicPartition(*p): offset for p, offset in positions.items()}
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), 5)
        except (CommitFailedError, IllegalStateError):
            raise NotAssigned from None
        except (KafkaError, TimeoutError) as error:
            raise KafkaUnavailable(f"{type(error).__name__} on asking the group") from None

    async def stable_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """Return the last stable offsets: how far a read-committed consumer could read now.

        Raises:
            KafkaUnavailable
        """
        try:
            ends = await asyncio.wait_for(
                self._consumer.end_offsets([TopicPartition(*p) for p in partitions]), 10
            )
        except (KafkaError, TimeoutError) as error:
            raise KafkaUnavailable(f"{type(error).__name__} on asking for ends") from None
        return {(tp.topic, tp.partition): offset for tp, offset in ends.items()}


class _Listener(ConsumerRebalanceListener):
    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        assigned: Callable[[Sequence[Partition]], None],
        revoked: Callable[[], Awaitable[None]],
        watch: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._assigned = assigned
        self._revoked = revoked
        self._watch = watch
        self.assignment = 0

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        self.assignment += 1
        try:
            await self._revoked()
        except Exception:  # the client would ignore it silently
            log.exception("revocation_failed")

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        # Before all else: no record may arrive until the lane has sought its stored position.
        self._consumer.pause(*assigned)
        self.assignment += 1
        self._assigned([(tp.topic, tp.partition) for tp in assigned])
        self._watch()
