"""Asks and changes the cluster for the commands: topics, groups, clocks, samples of records.

Not used by the worker itself; see probe.py for that.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    IncompatibleBrokerVersion,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.partitioner import murmur2
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from worker.errors import KafkaUnavailable, PlazoError, TopicsNotFit
from worker.kafka.client import client_options
from worker.proof import Partition
from worker.settings import Settings

_T = TypeVar("_T")

_TIMEOUT = 20.0
_READING = 10.0


class NotTold(PlazoError):
    """This cluster does not answer such a question, or not to us."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the cluster describes it; the least of all its partitions."""

    partitions: int
    replicas: int
    in_sync: int
    leaderless: int


class Skew(NamedTuple):
    """How far another clock is ahead of ours, in seconds, give or take ``error``."""

    seconds: float
    error: float


class Sample(NamedTuple):
    """What a check needs of a record: no value, which may hold personal data."""

    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def partition_by_murmur2(key: bytes, partitions: int) -> int:
    """Where Java's clients, and ours, put a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class KafkaAdmin:
    """Clients of one command; they connect on the first question."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None

    async def close(self) -> None:
        """Drop the client."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                await asyncio.wait_for(client.close(), 2)

    async def brokers(self) -> int:
        """Number of brokers that the cluster says it has.

        Raises:
            KafkaUnavailable
        """
        described = await self._ask(lambda client: client.describe_cluster())
        return len(described["brokers"])

    async def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """The topics of these names that exist.

        Raises:
            KafkaUnavailable
        """
        found = {}
        wanted = set(names)
        # All topics, not these: brokers may create a topic that somebody asks for by name.
        for topic in await self._ask(lambda client: client.describe_topics()):
            partitions = topic["partitions"]
            if topic["topic"] in wanted and not topic["error_code"] and partitions:
                found[topic["topic"]] = TopicState(
                    partitions=len(partitions),
                    replicas=min(len(one["replicas"]) for one in partitions),
                    in_sync=min(len(one["isr"]) for one in partitions),
                    leaderless=sum(one["leader"] < 0 for one in partitions),
                )
        return found

    async def configs(
        self, topics: Iterable[str], names: Iterable[str]
    ) -> dict[tuple[str, str], str]:
        """Settings of topics, by topic and name; those that are not told are missing.

        Raises:
            KafkaUnavailable
            NotTold
        """
        wanted = dict.fromkeys(names)
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic, wanted) for topic in topics]
        answers = await self._ask(lambda client: client.describe_configs(resources))
        return {
            (resource[3], entry[0]): entry[1]
            for answer in answers
            for resource in answer.resources
            if not resource[0]
            for entry in resource[4]
            if entry[1] is not None
        }

    async def members(self, group: str) -> int:
        """Number of members of a consumer group.

        Raises:
            KafkaUnavailable
            NotTold
        """
        answers = await self._ask(lambda client: client.describe_consumer_groups([group]))
        for answer in answers:
            for code, *_, members in (found[:6] for found in answer.groups):
                if code:
                    raise NotTold(for_code(code).__name__)
                return len(members)
        raise NotTold("no answer")

    async def clock(self) -> Skew:
        """The clock of the cluster's controller against ours.

        No request asks for the time; but the leader of the metadata quorum says when it last
        caught up with itself, which is now. It changes nothing, unlike a record in a topic.

        Raises:
            KafkaUnavailable
            NotTold: no KRaft, an old version, or no right to describe the cluster.
        """
        await self._ask(lambda client: client._send_request(_DescribeQuorum()))  # connected now
        before = time.time()
        answer = await self._ask(lambda client: client._send_request(_DescribeQuorum()))
        after = time.time()
        if answer.error_code:
            raise NotTold(for_code(answer.error_code).__name__)
        for _, partitions, _ in answer.topics:
            for _, _, leader, _, _, voters, _, _ in partitions:
                for replica, _, fetched_at, _, _ in voters:
                    if replica == leader and fetched_at > 0:
                        error = (after - before) / 2
                        return Skew(fetched_at / 1000 - (before + after) / 2, error)
        raise NotTold("the controller does not tell its time")

    async def create(self, topics: Mapping[str, int], replication_factor: int) -> list[str]:
        """Create topics with so many partitions; returns those that somebody else had created.

        ``replication_factor`` -1 leaves it to the cluster's default.

        Raises:
            KafkaUnavailable
            TopicsNotFit: the cluster refuses.
        """
        # The client takes a factor of -1 only along with assignments, be they empty.
        assignments: dict[int, list[int]] | None = {} if replication_factor == -1 else None
        new = [NewTopic(name, n, replication_factor, assignments) for name, n in topics.items()]
        answer = await self._ask(lambda client: client.create_topics(new))
        existed = []
        for name, code, *message in answer.topic_errors:
            error = for_code(code)
            if error is TopicAlreadyExistsError:
                existed.append(name)
            elif error is not NoError:
                raise TopicsNotFit(f"{name}: {error.__name__}: {(message or ['-'])[0]}")
        return existed

    async def widen(self, topic: str, partitions: int) -> None:
        """Add partitions to a topic, up to a number.

        Raises:
            KafkaUnavailable: also where the cluster refuses.
        """
        change = {topic: NewPartitions(partitions)}
        await self._ask(lambda client: client.create_partitions(change))

    async def tails(self, topics: Mapping[str, int], count: int) -> dict[Partition, list[Sample]]:
        """The last records of each partition of topics of these widths, oldest first.

        Large records are not waited for: it ends after a while with what it has read.

        Raises:
            KafkaUnavailable
        """
        partitions = [TopicPartition(t, p) for t, width in topics.items() for p in range(width)]
        reader = AIOKafkaConsumer(
            **client_options(self._settings, "check"),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_uncommitted",
            max_partition_fetch_bytes=262_144,
            fetch_max_wait_ms=200,
        )
        try:
            async with asyncio.timeout(_TIMEOUT + _READING):
                await reader.start()
                return await _read_tails(reader, partitions, count)
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            raise KafkaUnavailable(f"{type(error).__name__} on reading samples") from None
        finally:
            with suppress(Exception):
                await asyncio.wait_for(reader.stop(), 2)

    async def _ask(self, question: Callable[[Any], Awaitable[_T]]) -> _T:
        try:
            async with asyncio.timeout(_TIMEOUT):
                if self._client is None:
                    self._client = AIOKafkaAdminClient(**client_options(self._settings, "admin"))
                    await self._client.start()
                return await question(self._client)
        except (IncompatibleBrokerVersion, NotImplementedError) as error:
            raise NotTold(type(error).__name__) from None
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            await self.close()
            raise KafkaUnavailable(f"{type(error).__name__} on asking the cluster") from None


async def _read_tails(
    reader: Any, partitions: list[TopicPartition], count: int
) -> dict[Partition, list[Sample]]:
    found: dict[Partition, list[Sample]] = {(tp.topic, tp.partition): [] for tp in partitions}
    begins = await reader.beginning_offsets(partitions)
    ends = await reader.end_offsets(partitions)
    open_ = {tp for tp in partitions if begins[tp] < ends[tp]}
    if not open_:
        return found
    reader.assign(sorted(open_))
    for tp in open_:
        reader.seek(tp, max(begins[tp], ends[tp] - count))
    with suppress(TimeoutError):
        async with asyncio.timeout(_READING):
            while open_:
                for tp, records in (await reader.getmany(*open_, timeout_ms=500)).items():
                    found[tp.topic, tp.partition] += [
                        Sample(r.key, r.headers) for r in records if r.offset < ends[tp]
                    ]
                # A trailing transaction marker moves the position and is no record.
                open_ = {tp for tp in open_ if await reader.position(tp) < ends[tp]}
    return found


# DescribeQuorum (KIP-595, KIP-836), which the client does not know.

_REPLICAS = CompactArray(
    ("replica_id", Int32),
    ("log_end_offset", Int64),
    ("last_fetch_timestamp", Int64),
    ("last_caught_up_timestamp", Int64),
    ("tags", TaggedFields),
)


class _DescribeQuorumResponse(Response):
    API_KEY = 55
    API_VERSION = 1
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("topic_name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition_index", Int32),
                        ("error_code", Int16),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("current_voters", _REPLICAS),
                        ("observers", _REPLICAS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeQuorumRequest(RequestStruct):
    API_KEY = 55
    API_VERSION = 1
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _DescribeQuorumResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_name", CompactString("utf-8")),
                ("partitions", CompactArray(("partition_index", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeQuorum(Request[_DescribeQuorumRequest]):
    API_KEY = 55

    def build(self, request_struct_class: type[_DescribeQuorumRequest]) -> _DescribeQuorumRequest:
        return request_struct_class([("__cluster_metadata", [(0, {})], {})], {})
