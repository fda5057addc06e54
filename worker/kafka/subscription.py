"""A consumer of one topic that commits what it has finished, for ``plazo deliver``.

The group's committed offsets are the only positions. A record is delivered again after a crash, and
never skipped.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)

from worker.errors import KafkaUnavailable
from worker.kafka.aiokafka_patch import as_record
from worker.kafka.client import client_options
from worker.observability.logs import logger
from worker.records import Record
from worker.settings import Settings

log = logger(__name__)

# Seconds. The client's stop() does not return while the broker is down.
_STOP_TIMEOUT = 5.0
_COMMIT_TIMEOUT = 5.0
# The group waits this long for a member to let go of its partitions.
_REBALANCE_SECONDS = 60.0
# After so long without a record the client is asked whether it has fallen asleep.
_QUIET_SECONDS = 30.0


class NotMember(Exception):
    """The group has assigned the partitions anew: what is under way belongs to another member."""


class Lost(NamedTuple):
    """A partition that no longer holds the position: the offset wanted, and its first one."""

    partition: int
    position: int
    begin: int


class Subscription:
    """One member of a group of its own, for one use: after :meth:`stop` make a new one.

    ``revoked`` is awaited before partitions go to another member. When it returns, nothing that was
    pulled may be under way any more.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        revoked: Callable[[], Awaitable[None]],
        lost: Callable[[Lost], None],
    ) -> None:
        self._topic = settings.decisions_topic
        session_ms = int(settings.session_timeout.total_seconds() * 1000)
        # Half of the time after which the group gives up on a member that hangs.
        self._lease = session_ms / 2000
        self._confirmed = 0.0
        self._lost = lost
        self._consumer = AIOKafkaConsumer(
            **client_options(settings, "deliver"),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(100, min(1_000, session_ms // 4)),
            rebalance_timeout_ms=int(_REBALANCE_SECONDS * 1000),
            # A receiver that is away is no reason to leave the group.
            max_poll_interval_ms=86_400_000,
            max_partition_fetch_bytes=settings.fetch_bytes_per_partition,
        )
        self._listener = _Listener(self._consumer, revoked)
        self._sought = 0
        # The last known commit of each partition: those without a new record are committed, too.
        self._base: dict[TopicPartition, int] = {}
        self._quiet_since = time.monotonic()
        self._asleep_at: dict[TopicPartition, int] | None = None

    async def start(self) -> None:
        """Join the group.

        Raises:
            KafkaUnavailable: try again later, with a new subscription.
        """
        try:
            await self._consumer.start()
            if self._topic not in await self._consumer.topics():
                raise KafkaUnavailable(f"no such topic: {self._topic}")
            self._consumer.subscribe([self._topic], listener=self._listener)
        except (KafkaError, OSError) as error:
            raise KafkaUnavailable(f"{type(error).__name__} on joining the group") from None

    async def stop(self) -> None:
        """Leave the group, or give up after five seconds."""
        with suppress(Exception):
            await asyncio.wait_for(self._consumer.stop(), _STOP_TIMEOUT)

    @property
    def assigned(self) -> bool:
        """Whether the group has assigned partitions, or none because others read them all."""
        return self._listener.holds and self._sought == self._listener.assignment

    async def pull(self, limit: int, wait: float) -> list[Record]:
        """The next records, at most ``limit``; those of a partition in their order.

        ``wait`` is the time to wait for a first one, in seconds.

        Raises:
            KafkaUnavailable: make a new subscription.
        """
        assignment = self._listener.assignment
        if not self._listener.holds:
            await asyncio.sleep(wait)
            return []
        try:
            if assignment != self._sought:
                await self._seek_committed()
                self._sought = assignment
            fetched: Any = await self._consumer.getmany(
                timeout_ms=int(wait * 1000), max_records=limit
            )
            records = [as_record(one) for part in fetched.values() for one in part]
            await self._look_awake(records)
            if assignment != self._listener.assignment:
                return []  # partitions of before; those of now are paused
        except OffsetOutOfRangeError as error:
            (positions,) = error.args
            await self._skip_lost(positions)
            return []
        except NoOffsetForPartitionError:
            self._sought = 0  # seek anew: the client looked before we did
            return []
        except IllegalStateError:
            return []  # a rebalance in between
        except KafkaError as error:
            raise KafkaUnavailable(f"{type(error).__name__} on reading") from None
        return records

    async def commit(self, positions: Mapping[int, int]) -> None:
        """Commit the next offset of each partition; this also confirms the membership.

        Raises:
            NotMember, KafkaUnavailable
        """
        began = time.monotonic()
        offsets = {TopicPartition(self._topic, p): offset for p, offset in positions.items()}
        offsets = {**self._base, **offsets}
        if not offsets:
            return
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), _COMMIT_TIMEOUT)
        except (CommitFailedError, IllegalStateError):
            raise NotMember from None
        except (KafkaError, TimeoutError) as error:
            raise KafkaUnavailable(f"{type(error).__name__} on committing") from None
        self._base = offsets
        self._confirmed = began

    @property
    def confirmed(self) -> bool:
        """Whether the membership was confirmed so lately that no other member can have taken over.

        A process that hung must not deliver an old decision behind a newer one of its successor.
        """
        return time.monotonic() - self._confirmed < self._lease

    async def _seek_committed(self) -> None:
        partitions = [*self._consumer.assignment()]
        self._base = {}
        for tp in partitions:
            committed = await self._consumer.committed(tp)
            if committed is None:
                committed = (await self._consumer.beginning_offsets([tp]))[tp]
            self._consumer.seek(tp, committed)
            self._base[tp] = committed
        self._consumer.resume(*partitions)
        self._quiet_since = self._confirmed = time.monotonic()

    async def _skip_lost(self, positions: Mapping[TopicPartition, int]) -> None:
        """Go on at the beginning: retention removed decisions, or the topic was made anew."""
        try:
            begins = await self._consumer.beginning_offsets([*positions])
            for tp, position in positions.items():
                self._consumer.seek(tp, begins[tp])
                self._base[tp] = begins[tp]
                self._lost(Lost(tp.partition, position, begins[tp]))
        except IllegalStateError:
            return
        except KafkaError as error:
            raise KafkaUnavailable(f"{type(error).__name__} on asking for offsets") from None

    async def _look_awake(self, records: Sequence[Record]) -> None:
        """After a broker's restart the client may stay alive and fetch nothing for ever."""
        now = time.monotonic()
        if records:
            self._quiet_since, self._asleep_at = now, None
        if now - self._quiet_since < _QUIET_SECONDS:
            return
        self._quiet_since = now
        partitions = [*self._consumer.assignment()]
        ends = await self._consumer.end_offsets(partitions)
        behind = {
            tp: position
            for tp in partitions
            if (position := await self._consumer.position(tp)) < ends[tp]
        }
        if self._asleep_at and behind.items() & self._asleep_at.items():
            raise KafkaUnavailable("the client fetches nothing")
        self._asleep_at = behind


class _Listener(ConsumerRebalanceListener):
    def __init__(self, consumer: AIOKafkaConsumer, revoked: Callable[[], Awaitable[None]]) -> None:
        self._consumer = consumer
        self._revoked = revoked
        self.assignment = 0
        self.holds = False

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        # The client may go on to return records that it fetched before.
        self.holds = False
        self.assignment += 1
        try:
            await self._revoked()
        except Exception:  # the client would ignore it silently
            log.exception("revocation_failed")

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        # Before all else: no record may arrive until the committed offsets are sought.
        self._consumer.pause(*assigned)
        self.assignment += 1
        self.holds = True
