"""Reads offsets, timestamps and headers from the logs, outside the consumer group."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import ConnectionGroup
from aiokafka.consumer.fetcher import READ_UNCOMMITTED
from aiokafka.errors import CorruptRecordException, KafkaError, RecordTooLargeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords

from worker.errors import KafkaUnavailable, NoSuchRecord
from worker.kafka.aiokafka_patch import as_record
from worker.kafka.client import client_options
from worker.kafka.metadata import UNKNOWN, Incarnation, Metadata, incarnations
from worker.records import Partition, Record, timestamp_of
from worker.settings import Settings

_TIMEOUT = 15.0

# Assigned between questions. unsubscribe() would end the client's fetcher for good if it came
# before the fetcher had seen the assignment (aiokafka 0.14).
_NO_PARTITIONS: tuple[TopicPartition, ...] = ()

# Faults of the record itself.
_UNREADABLE = (CorruptRecordException, RecordTooLargeError, ValueError, MemoryError)

Headers = tuple[tuple[str, bytes], ...]


class Bounds(NamedTuple):
    """A partition's first offset, end offset, and the time of its first record if it has one.

    ``topic_id`` is ``None`` if the broker does not tell it.
    """

    begin: int
    end: int
    first_at: datetime | None
    topic_id: bytes | None = None


class Tip(NamedTuple):
    """The end offset of a partition, and which log it is the end of.

    As long as ``log`` is equal, nothing below the end was cut off or replaced.
    """

    end: int
    log: object


class OffsetReader:
    """Clients that are made on demand and dropped on any fault."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = settings.input_topics
        self._admin: Any = None
        self._reader: Any = None
        # Sees committed records only.
        self._committed: Any = None
        # One question at a time, because the reader has one assignment.
        self._lock = asyncio.Lock()

    async def ends(self) -> dict[Partition, int]:
        """Return the high watermark of every input partition that exists now.

        Not the last stable offset: an open transaction may hide evidence that its producer already
        sent.

        Raises:
            KafkaUnavailable: an end is not available now, or an input topic does not exist.
        """
        return {partition: tip.end for partition, tip in (await self.tips()).items()}

    async def tips(self) -> dict[Partition, Tip]:
        """Return the ends, as :meth:`ends`, and the identity of each log.

        Raises:
            KafkaUnavailable: an end is not available now, or an input topic does not exist.
        """
        tips: dict[Partition, Tip] = await self._ask(self._read_tips)
        return tips

    async def widths(self, topics: Sequence[str]) -> dict[str, int]:
        """Return the number of partitions of each topic that exists, from fresh metadata.

        Raises:
            KafkaUnavailable
        """
        described = await self._ask(lambda: self._describe(topics))
        return {topic: len(logs) for topic, logs in described.items()}

    async def bounds(self, partitions: Sequence[Partition]) -> dict[Partition, Bounds]:
        """Return the first and end offset of each log, the time of its first record, and its id.

        Raises:
            KafkaUnavailable
        """
        asked = [TopicPartition(*p) for p in partitions]
        begins = await self._ask(lambda: self._knowing(asked).beginning_offsets(asked))
        ends = await self._ask(lambda: self._knowing(asked).end_offsets(asked))
        since = dict.fromkeys(asked, 0)
        firsts = await self._ask(lambda: self._knowing(asked).offsets_for_times(since))
        # After the offsets: of a topic that is replaced meanwhile this is the id of the new one.
        logs = await self._ask(lambda: self._describe({topic for topic, _ in partitions}))
        return {
            (tp.topic, tp.partition): Bounds(
                begins[tp],
                ends[tp],
                timestamp_of(first.timestamp) if (first := firsts.get(tp)) is not None else None,
                logs.get(tp.topic, {}).get(tp.partition, UNKNOWN).topic_id,
            )
            for tp in asked
        }

    async def offsets_at(
        self, partitions: Sequence[Partition], at: datetime
    ) -> dict[Partition, int]:
        """Return the first offset at or after a time, by timestamp; logs without one are missing.

        Raises:
            KafkaUnavailable
        """
        asked = {TopicPartition(*p): int(at.timestamp() * 1000) for p in partitions}
        offsets = await self._ask(lambda: self._knowing(asked).offsets_for_times(asked))
        return {(tp.topic, tp.partition): one.offset for tp, one in offsets.items() if one}

    async def timestamps(self, offsets: Mapping[Partition, int]) -> dict[Partition, int | None]:
        """Return the timestamps of the records at these offsets, in milliseconds since the epoch.

        ``None``: the marker of a transaction stands there. Records that are no longer in the log
        are missing.

        Raises:
            KafkaUnavailable
        """
        if not offsets:
            return {}
        found: dict[Partition, int | None] = await self._ask(lambda: self._read_timestamps(offsets))
        return found

    async def first_records(self, ranges: Mapping[Partition, range]) -> dict[Partition, int]:
        """Return the offset of the first committed record in each range of offsets.

        Ranges without one are missing, and so are those that no client can read.

        Raises:
            KafkaUnavailable: also as long as a transaction is open that began in a range.
        """
        if not ranges:
            return {}
        firsts: dict[Partition, int] = await self._ask(lambda: self._read_firsts(ranges))
        return firsts

    async def record(self, partition: Partition, offset: int) -> Record | None:
        """Return the record at an offset, committed or not; ``None`` if no client can read it.

        Raises:
            NoSuchRecord: the log begins after this offset, or ends before it.
            KafkaUnavailable
        """
        record: Record | None = await self._ask(lambda: self._read_record(partition, offset))
        return record

    async def tail(self, topic: str, partition: int, count: int) -> list[Headers]:
        """Return the headers of the last ``count`` records of a partition, oldest first.

        Raises:
            KafkaUnavailable
        """
        tp = TopicPartition(topic, partition)
        headers: list[Headers] = await self._ask(lambda: self._read_tail(tp, count))
        return headers

    async def close(self) -> None:
        """Close the clients."""
        admin, self._admin = self._admin, None
        readers = self._reader, self._committed
        self._reader = self._committed = None
        for client, stop in ((admin, "close"), *((reader, "stop") for reader in readers)):
            if client is not None:
                with suppress(Exception):
                    await asyncio.wait_for(getattr(client, stop)(), 2)

    async def _describe(self, topics: Iterable[str]) -> dict[str, dict[int, Incarnation]]:
        return incarnations(await self._admin._send_request(Metadata([*topics])))

    async def _read_tips(self) -> dict[Partition, Tip]:
        ends: dict[TopicPartition, int] = {}
        while True:
            # After the ends: a log that is replaced in between is seen. And again where there are
            # more partitions by now than were asked.
            described = await self._describe(self._topics)
            if missing := [topic for topic in self._topics if topic not in described]:
                raise KafkaUnavailable(f"no such topic: {', '.join(missing)}")
            logs = {
                TopicPartition(topic, number): log
                for topic, numbers in described.items()
                for number, log in numbers.items()
            }
            if ends and logs.keys() <= ends.keys():
                break
            ends = await self._knowing(logs).end_offsets([*logs])
        return {
            (tp.topic, tp.partition): Tip(ends[tp], (log, *self._server(tp)))
            for tp, log in logs.items()
        }

    def _server(self, tp: TopicPartition) -> tuple[object, object]:
        """The leader that answers, and the connection to it: a restarted one has another."""
        client = self._reader._client
        leader = client.cluster.leader_for_partition(tp)
        return leader, client._conns.get((leader, ConnectionGroup.DEFAULT))

    def _knowing(self, partitions: Iterable[TopicPartition]) -> Any:
        """The reader, which looks for the leaders of these partitions first.

        It would do so by itself when it does not know one, and sleep then, once for each topic
        (aiokafka 0.14).
        """
        for topic in {tp.topic for tp in partitions}:
            self._reader._client.add_topic(topic)
        return self._reader

    async def _range(self, tp: TopicPartition) -> tuple[int, int]:
        """The first offset of a log, and its end."""
        begins = await self._knowing([tp]).beginning_offsets([tp])
        return begins[tp], (await self._reader.end_offsets([tp]))[tp]

    async def _read_tail(self, tp: TopicPartition, count: int) -> list[Headers]:
        begin, end = await self._range(tp)
        if begin == end:
            return []
        self._reader.assign([tp])
        try:
            self._reader.seek(tp, max(begin, end - count))
            headers: list[Headers] = []
            while await self._reader.position(tp) < end:
                fetched = await self._reader.getmany(tp, timeout_ms=1000)
                headers += [record.headers for record in fetched.get(tp, ())]
            return headers
        finally:
            self._reader.assign(_NO_PARTITIONS)

    async def _read_record(self, partition: Partition, offset: int) -> Record | None:
        tp = TopicPartition(*partition)
        begin, end = await self._range(tp)
        if not begin <= offset < end:
            raise NoSuchRecord(
                f"{tp.topic}/{tp.partition} holds no offset {offset}: it begins at {begin} and "
                f"ends before {end}"
            )
        self._reader.assign([tp])
        try:
            self._reader.seek(tp, offset)
            while await self._reader.position(tp) <= offset:
                fetched = await self._reader.getmany(tp, timeout_ms=1000, max_records=1)
                for record in fetched.get(tp, ()):
                    return as_record(record) if record.offset == offset else None
            return None
        except _UNREADABLE:
            return None
        finally:
            self._reader.assign(_NO_PARTITIONS)

    async def _read_timestamps(
        self, offsets: Mapping[Partition, int]
    ) -> dict[Partition, int | None]:
        asked = {TopicPartition(*partition): offset for partition, offset in offsets.items()}
        self._reader.assign([*asked])
        try:
            for tp, offset in asked.items():
                self._reader.seek(tp, offset)
            timestamps: dict[Partition, int | None] = {}
            while unread := [tp for tp in asked if await self._reader.position(tp) <= asked[tp]]:
                batches = await self._reader.getmany(*unread, timeout_ms=1000)
                for tp, (first, *_) in batches.items():
                    if first.offset == asked[tp]:  # compaction may have removed the record
                        timestamps[tp.topic, tp.partition] = first.timestamp
            for partition in offsets.keys() - timestamps.keys():
                if await self._holds_marker(TopicPartition(*partition), offsets[partition]):
                    timestamps[partition] = None
            return timestamps
        finally:
            self._reader.assign(_NO_PARTITIONS)

    async def _holds_marker(self, tp: TopicPartition, offset: int) -> bool:
        """Whether the marker of a transaction stands at an offset; no consumer returns those."""
        client = self._reader._client
        asked = [(tp.topic, [(tp.partition, offset, 1)])]  # a batch comes whole in any case
        request = FetchRequest(1_000, 1, 1, READ_UNCOMMITTED, asked)
        answer = await client.send(client.cluster.leader_for_partition(tp), request)
        ((_, ((_, error, *_, batches),)),) = answer.topics
        if error:
            raise for_code(error)()
        records = MemoryRecords(batches)
        batch: Any = records.next_batch() if records.has_next() else None
        return batch is not None and batch.is_control_batch and batch.base_offset == offset

    async def _read_firsts(self, ranges: Mapping[Partition, range]) -> dict[Partition, int]:
        if self._committed is None:
            self._committed = await self._started("read_committed")
        reader, asked = self._committed, {TopicPartition(*p): gap for p, gap in ranges.items()}
        reader.assign([*asked])
        try:
            for tp, gap in asked.items():
                reader.seek(tp, gap.start)
            firsts: dict[Partition, int] = {}
            stood: Counter[tuple[TopicPartition, int]] = Counter()
            while asked:
                # Short: where markers are all there is, no record ends the wait.
                batches = await reader.getmany(*asked, timeout_ms=50, max_records=1)
                for tp, (first, *_) in batches.items():
                    if first.offset in asked.pop(tp):
                        firsts[tp.topic, tp.partition] = first.offset
                for tp, gap in [*asked.items()]:
                    position = await reader.position(tp)
                    # Compaction leaves holes, even at the end of a log. The broker tells where
                    # readable records end. Two rounds without progress before there prove a hole.
                    stood[tp, position] += (reader.last_stable_offset(tp) or 0) >= gap.stop
                    if position >= gap.stop or stood[tp, position] > 1:
                        del asked[tp]
            return firsts
        except _UNREADABLE:
            if len(ranges) == 1:
                return {}
        finally:
            reader.assign(_NO_PARTITIONS)
        found = [await self._read_firsts({partition: gap}) for partition, gap in ranges.items()]
        return {partition: first for one in found for partition, first in one.items()}

    async def _ask(self, question: Any) -> Any:
        async with self._lock:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await self._connect()
                    return await question()
            except (KafkaError, OSError, TimeoutError, ValueError) as error:
                await self.close()
                raise KafkaUnavailable(f"{type(error).__name__} on asking for offsets") from None

    async def _connect(self) -> None:
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(**client_options(self._settings, "admin"))
            await self._admin.start()
        if self._reader is None:
            self._reader = await self._started("read_uncommitted")

    async def _started(self, isolation: str) -> AIOKafkaConsumer:
        reader = AIOKafkaConsumer(
            **client_options(self._settings, "probe"),
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level=isolation,
        )
        await reader.start()
        return reader
