"""Reads and changes the cluster for the commands: topics, groups, clocks, samples of records.

The worker itself uses it at its start only; its other questions are in offsets.py.
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
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    IncompatibleBrokerVersion,
    KafkaError,
    NoError,
    NotCoordinatorForGroupError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.partitioner import murmur2

from worker.errors import KafkaUnavailable, PlazoError, TopicsNotFit
from worker.kafka.aiokafka_patch import as_record
from worker.kafka.client import client_options
from worker.kafka.describe_quorum import DescribeQuorum
from worker.kafka.metadata import Metadata
from worker.kafka.rights import Allowed, DescribeGroup, of_group, of_topics
from worker.records import Partition, Record
from worker.settings import Settings

_T = TypeVar("_T")

# Seconds for a question, and for reading samples.
_TIMEOUT = 20.0
_SAMPLING = 10.0
# Seconds between two questions for the coordinator of a group.
_PAUSE = 0.2
_NO_COORDINATOR_YET = {
    GroupLoadInProgressError.errno,
    GroupCoordinatorNotAvailableError.errno,
    NotCoordinatorForGroupError.errno,
}


class NotAnswered(PlazoError):
    """The cluster does not support the question, or does not allow us to ask it."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the cluster describes it.

    ``replicas`` and ``in_sync`` are the smallest numbers over its partitions; ``leaderless`` is the
    number of partitions without a leader.
    """

    partitions: int
    replicas: int
    in_sync: int
    leaderless: int


class Skew(NamedTuple):
    """How far another clock is ahead of ours: ``seconds``, plus or minus ``error`` seconds."""

    seconds: float
    error: float


class Sample(NamedTuple):
    """The key and headers of a record; not its value, which may hold personal data."""

    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    # What the caller wanted to know of the record, in seconds.
    delay: float | None = None


def partition_by_murmur2(key: bytes, partitions: int) -> int:
    """Return the partition that Java's clients, and ours, choose for a key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class KafkaAdmin:
    """The admin client of one command; it connects on the first question."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None

    async def close(self) -> None:
        """Close the client."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                await asyncio.wait_for(client.close(), 2)

    async def brokers(self) -> int:
        """Return the number of brokers in the cluster.

        Raises:
            KafkaUnavailable
        """
        described = await self._ask(lambda client: client.describe_cluster())
        return len(described["brokers"])

    async def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """Return the topics of these names that exist, by name.

        Raises:
            KafkaUnavailable
        """
        states = {}
        wanted = set(names)
        # All topics, not these alone: brokers may create a topic that is asked for by name.
        for topic in await self._ask(lambda client: client.describe_topics()):
            partitions = topic["partitions"]
            if topic["topic"] in wanted and not topic["error_code"] and partitions:
                states[topic["topic"]] = TopicState(
                    partitions=len(partitions),
                    replicas=min(len(one["replicas"]) for one in partitions),
                    in_sync=min(len(one["isr"]) for one in partitions),
                    leaderless=sum(one["leader"] < 0 for one in partitions),
                )
        return states

    async def configs(
        self, topics: Iterable[str], names: Iterable[str]
    ) -> dict[tuple[str, str], str]:
        """Return settings of topics, by topic and name; settings without an answer are missing.

        Raises:
            KafkaUnavailable
            NotAnswered
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
        """Return the number of members of a consumer group.

        Raises:
            KafkaUnavailable
            NotAnswered
        """
        described = await self._ask(lambda client: _describe_group(client, group))
        if code := described["error_code"]:
            raise NotAnswered(for_code(code).__name__)
        return len(described["members"])

    async def allowed_on_topics(self, topics: Iterable[str]) -> dict[str, Allowed]:
        """Return what we may do with each topic, by name; topics that do not exist are missing.

        Of a topic that we may not describe Kafka does not say whether it exists: it is here, and
        nothing is allowed.

        Raises:
            KafkaUnavailable
            NotAnswered
        """
        question = Metadata([*topics], operations=True)
        return dict(of_topics(await self._ask(lambda client: client._send_request(question))))

    async def allowed_on_group(self, group: str) -> Allowed:
        """Return what we may do with a consumer group, whether it exists or not.

        Raises:
            KafkaUnavailable
            NotAnswered
        """
        return of_group(await self._ask(lambda client: _describe_group(client, group)))

    async def clock(self) -> Skew:
        """Compare the clock of the cluster's controller with ours.

        Kafka has no request for the time. But the leader of the metadata quorum reports when it
        last caught up with itself, which is now. Unlike a record in a topic, this changes nothing.

        Raises:
            KafkaUnavailable
            NotAnswered: no KRaft, an old version, or no right to describe the cluster.
        """
        await self._ask(lambda client: client._send_request(DescribeQuorum()))  # to connect
        before = time.time()
        answer = await self._ask(lambda client: client._send_request(DescribeQuorum()))
        after = time.time()
        if answer.error_code:
            raise NotAnswered(for_code(answer.error_code).__name__)
        for _, partitions, _ in answer.topics:
            for _, _, leader, _, _, voters, _, _ in partitions:
                for replica, _, fetched_at, _, _ in voters:
                    if replica == leader and fetched_at > 0:
                        error = (after - before) / 2
                        return Skew(fetched_at / 1000 - (before + after) / 2, error)
        raise NotAnswered("the controller does not report its time")

    async def create(self, topics: Mapping[str, int], replication_factor: int) -> list[str]:
        """Create topics with these numbers of partitions; return those that existed already.

        ``replication_factor`` -1 takes the cluster's default.

        Raises:
            KafkaUnavailable
            TopicsNotFit: the cluster refuses.
        """
        # The client accepts a factor of -1 only with assignments, which may be empty.
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
        """Add partitions to a topic, up to the number ``partitions``.

        Raises:
            KafkaUnavailable: also if the cluster refuses.
        """
        change = {topic: NewPartitions(partitions)}
        await self._ask(lambda client: client.create_partitions(change))

    async def tails(
        self,
        topics: Mapping[str, int],
        count: int,
        delay_of: Callable[[Record], float | None] = lambda _: None,
    ) -> dict[Partition, list[Sample]]:
        """Return the last ``count`` records of each partition, oldest first.

        ``topics`` gives the number of partitions of each topic. Reading stops after ten seconds, so
        there may be fewer of large records. ``delay_of`` is asked for the delay of each.

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
            async with asyncio.timeout(_TIMEOUT + _SAMPLING):
                await reader.start()
                return await _read_tails(reader, partitions, count, delay_of)
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
            raise NotAnswered(type(error).__name__) from None
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            await self.close()
            raise KafkaUnavailable(f"{type(error).__name__} on asking the cluster") from None


async def _describe_group(client: Any, group: str) -> dict[str, Any]:
    """Ask the coordinator of a group. The first question for any group makes the cluster choose."""
    while True:
        try:
            node = await client.find_coordinator(group)
            answer = await client._send_request(DescribeGroup(group), node)
            (described,) = answer.to_object()["groups"]
            if described["error_code"] not in _NO_COORDINATOR_YET:
                return dict(described)
        except GroupAuthorizationFailedError as error:
            return {"error_code": error.errno}
        except GroupCoordinatorNotAvailableError:
            pass
        await asyncio.sleep(_PAUSE)


async def _read_tails(
    reader: Any,
    partitions: list[TopicPartition],
    count: int,
    delay_of: Callable[[Record], float | None],
) -> dict[Partition, list[Sample]]:
    samples: dict[Partition, list[Sample]] = {(tp.topic, tp.partition): [] for tp in partitions}
    begins = await reader.beginning_offsets(partitions)
    ends = await reader.end_offsets(partitions)
    open_ = {tp for tp in partitions if begins[tp] < ends[tp]}
    if not open_:
        return samples
    reader.assign(sorted(open_))
    for tp in open_:
        reader.seek(tp, max(begins[tp], ends[tp] - count))
    with suppress(TimeoutError):
        async with asyncio.timeout(_SAMPLING):
            while open_:
                for tp, records in (await reader.getmany(*open_, timeout_ms=500)).items():
                    samples[tp.topic, tp.partition] += [
                        Sample(r.key, r.headers, delay_of(as_record(r)))
                        for r in records
                        if r.offset < ends[tp]
                    ]
                # Not by records: a transaction marker at the end moves the position without one.
                open_ = {tp for tp in open_ if await reader.position(tp) < ends[tp]}
    return samples
