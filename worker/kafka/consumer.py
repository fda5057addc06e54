"""Membership in the consumer group, and the records of the lanes that it gives us.

Kafka decides who reads a lane; Postgres decides from where. What the group stores as committed
offsets is for lag tools only.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError, OffsetOutOfRangeError

from worker.errors import Halted, KafkaUnavailable
from worker.ingest.rows import Batch
from worker.kafka.aiokafka_patch import as_record
from worker.kafka.assignor import LaneAssignor
from worker.kafka.client import client_options
from worker.observability.logs import logger
from worker.proof import Partition
from worker.records import Mark, Record
from worker.settings import Settings

log = logger(__name__)

# Longest time stop() may take: with the broker down it would not come back at all.
_STOP = 5.0
# How many records are handed over at once: the partitions of a lane are merged that finely by time
# while there is a backlog, and what is made of them is done before they leave the caches.
_PIECE = 250
# How long one that is ahead waits for those behind it. Their broker may be away.
_PATIENCE = 0.25

Into = Callable[[Sequence[Record]], None]


class PositionLost(Exception):
    """The log no longer holds the position: take the lane anew and look."""


class NotAssigned(Exception):
    """The partition is not ours (any more)."""


class _Taken:
    """What was handed over of a lane so far."""

    def __init__(self, into: Into, reached: dict[TopicPartition, int]) -> None:
        self.count = 0
        self.reached = reached
        self.last: dict[Partition, Mark] = {}
        self._into = into

    def add(self, found: Mapping[TopicPartition, Sequence[Record]]) -> None:
        for tp, records in found.items():
            last = records[-1]
            self.count += len(records)
            self.reached[tp] = last.timestamp
            self.last[tp.topic, tp.partition] = Mark(last.offset, last.timestamp)
            self._into(records)


class Consumer:
    """One member of the group. Used once: after :meth:`stop` make a new one."""

    def __init__(
        self,
        settings: Settings,
        assigned: Callable[[Sequence[Partition]], None],
        revoked: Callable[[], Awaitable[None]],
    ) -> None:
        self._topics = settings.input_topics
        session_ms = int(settings.session_timeout.total_seconds() * 1000)
        self._consumer = AIOKafkaConsumer(
            **client_options(settings, "consumer"),
            group_id=settings.group_id,
            partition_assignment_strategy=(LaneAssignor,),
            enable_auto_commit=False,
            # A lane seeks to its stored position before it reads; a reset would skip or repeat.
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(100, min(1_000, session_ms // 4)),
            rebalance_timeout_ms=max(session_ms, 15_000),
            # Whether lanes make progress is for our own watchdog: losing them to another worker
            # mends nothing while Postgres is away.
            max_poll_interval_ms=86_400_000,
            max_partition_fetch_bytes=settings.fetch_bytes_per_partition,
            # Else the broker answers for every single record, and a slow feed costs as much as a
            # fast one.
            fetch_min_bytes=16_384,
            fetch_max_wait_ms=20,
        )
        self._listener = _Listener(self._consumer, assigned, revoked)

    @property
    def assignment(self) -> int:
        """Counts the assignments; one that changed makes every earlier seek void."""
        return self._listener.assignment

    async def start(self) -> None:
        """Join the group.

        Raises:
            KafkaUnavailable: try again later, with a new consumer.
        """
        try:
            await self._consumer.start()
            self._consumer.subscribe(self._topics, listener=self._listener)
        except (KafkaError, OSError) as error:
            await self.stop()
            raise KafkaUnavailable(f"{type(error).__name__} on joining the group") from None

    async def stop(self) -> None:
        """Leave the group, or give up on it after a while."""
        with suppress(Exception):
            await asyncio.wait_for(self._consumer.stop(), _STOP)

    def seek(self, positions: Mapping[Partition, int]) -> None:
        """Go to stored positions and let their partitions flow.

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
        into: Into,
        linger: float = 0.0,
    ) -> Batch:
        """Hand the next records behind ``positions`` over; none when none come in ``wait`` s.

        ``into`` gets them a few at a time, those of a partition in their order, and need not keep
        them.

        ``assignment`` is the one under which the lane sought: the client starts every new one at
        the group's committed offset, and what it then delivers may leave a gap. ``read_to`` is
        the timestamp of the last record of each partition, in milliseconds: of several with a
        backlog the one furthest behind comes next, so that acts seldom overtake their orders.

        The client fetches no more of a partition while it holds records of it, so what it holds
        may have come long before what stands behind it: with ``linger`` the rest is waited for,
        that many seconds.

        Raises:
            NotAssigned, PositionLost
            KafkaUnavailable: the client reports a fault; make a new consumer.
        """
        partitions = [TopicPartition(*partition) for partition in positions]
        try:
            for tp, partition in zip(partitions, positions, strict=True):
                # Whoever moved it took records that this lane has never seen.
                if await self._consumer.position(tp) != positions[partition]:
                    raise NotAssigned
            taken = _Taken(
                into, {tp: read_to.get((tp.topic, tp.partition), 0) for tp in partitions}
            )
            await self._merge(taken, limit, wait)
            if linger and 0 < taken.count < limit:
                taken.add(await self._get(partitions, limit - taken.count, linger))
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
            # client_records.py should have seen to it. To step over the record would lose it, and
            # perhaps the evidence it is.
            at = [await self._consumer.position(tp) for tp in partitions]
            raise Halted(f"a header name is not UTF-8, at or after offsets {at}") from None
        moved = {p: offset for p, offset in after.items() if offset > positions[p]}
        return Batch(taken.count, moved, taken.last)

    async def _merge(self, taken: "_Taken", limit: int, wait: float) -> None:
        partitions = [*taken.reached]
        ahead = False
        while taken.count < limit:
            behind = await self._furthest_behind(taken.reached)
            ahead = ahead or len(behind) < len(partitions)
            piece = min(_PIECE, limit - taken.count)
            patience = 0.0 if taken.count else min(wait, _PATIENCE) if ahead else wait
            found = await self._get(behind, piece, patience)
            if not found and not taken.count and ahead:
                found = await self._get(partitions, piece, wait - patience)
            if not found:
                break
            taken.add(found)
            # Others have an answer of Postgres to go on with.
            await asyncio.sleep(0)

    async def _get(
        self, partitions: Sequence[TopicPartition], limit: int, wait: float
    ) -> dict[TopicPartition, list[Record]]:
        found: Any = await self._consumer.getmany(
            *partitions, timeout_ms=int(wait * 1000), max_records=limit
        )
        return {tp: [as_record(one) for one in records] for tp, records in found.items()}

    async def _furthest_behind(
        self, reached: Mapping[TopicPartition, int]
    ) -> Sequence[TopicPartition]:
        """Of the partitions with a backlog the one that was read to the earliest time.

        All of them, where no more than one has any.
        """
        backlog = [
            tp
            for tp in reached
            if await self._consumer.position(tp) < (self._consumer.last_stable_offset(tp) or 0)
        ]
        return [*reached] if len(backlog) < 2 else [min(backlog, key=reached.__getitem__)]

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        """Tell the group how far we are: for lag tools; nothing of ours reads it."""
        offsets = {TopicPartition(*p): offset for p, offset in positions.items()}
        with suppress(KafkaError, IllegalStateError, TimeoutError):
            await asyncio.wait_for(self._consumer.commit(offsets), 5)

    async def confirm(self, positions: Mapping[Partition, int]) -> None:
        """Make sure that the group still counts us in, by a commit that it would refuse.

        A process that hung learns only by its next heartbeat that its lanes were given away.

        Raises:
            NotAssigned: it does not.
            KafkaUnavailable: it does not answer.
        """
        offsets = {TopicPartition(*p): offset for p, offset in positions.items()}
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), 5)
        except (CommitFailedError, IllegalStateError):
            raise NotAssigned from None
        except (KafkaError, TimeoutError) as error:
            raise KafkaUnavailable(f"{type(error).__name__} on asking the group") from None

    async def stable_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """How far a read-committed consumer could read now.

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
    ) -> None:
        self._consumer = consumer
        self._assigned = assigned
        self._revoked = revoked
        self.assignment = 0

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        self.assignment += 1
        try:
            await self._revoked()
        except Exception:  # the client would swallow it without a word
            log.exception("revocation_failed")

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        # First of all: until the lane has sought its stored position, nothing may flow.
        self._consumer.pause(*assigned)
        self.assignment += 1
        self._assigned([(tp.topic, tp.partition) for tp in assigned])
