"""Publishes at a steady rate.

All that can be made beforehand is: the events, and the very batches in which they are sent, one for
each partition and slot of time. Else the publisher would take a tenth of the two cores that a
benchmark shares with those that it measures.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, groupby, islice
from typing import NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.partitioner import murmur2
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from tests.support.topics import Topics

from .mix import Event
from .site import WIDTH, Site

Clock = Callable[[], datetime]

# Seconds: a producer lingers as long, and to make an event takes less.
_SLOT = 0.02
_TO_MAKE = 80e-6
# Of a request, the acknowledgements of all replicas, and the milliseconds to wait for them.
_ALL, _PATIENCE = -1, 30_000


class Slot(NamedTuple):
    """The batches to send at a moment, by topic and partition, and the number of their events."""

    at: float
    events: int
    topics: list[tuple[str, list[tuple[int, bytes]]]]


def planned(
    topics: Topics,
    make: Callable[[Clock], Iterator[Event]],
    rate: float,
    seconds: float,
    start: datetime | None = None,
) -> list[Slot]:
    """So many events a second, from ``start`` on, or from when they are made."""
    events, numbers = round(rate * seconds), count()
    began = start or datetime.now(UTC) + timedelta(seconds=events * _TO_MAKE)
    clock = lambda: began + timedelta(seconds=next(numbers) / rate)  # noqa: E731
    made = islice(make(clock), events)
    return [
        _slot(topics, (number + 1) * _SLOT, list(together))
        for number, together in groupby(made, lambda one: one.at.timestamp() // _SLOT)
    ]


def _slot(topics: Topics, at: float, events: Sequence[Event]) -> Slot:
    parted: defaultdict[str, defaultdict[int, list[Event]]]
    parted = defaultdict(lambda: defaultdict(list))
    for event in events:
        topic = topics.order_created if event.created else topics.order_status_changed
        # The partition that any client would choose.
        partition = (murmur2(event.order_id.encode()) & 0x7FFFFFFF) % WIDTH
        parted[topic][partition].append(event)
    built = [
        (topic, [(partition, _batch(own)) for partition, own in of_topic.items()])
        for topic, of_topic in parted.items()
    ]
    return Slot(at, len(events), built)


def _batch(events: Iterable[Event]) -> bytes:
    batch = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for offset, event in enumerate(events):
        moment, key = round(event.at.timestamp() * 1000), event.order_id.encode()
        assert batch.append(offset, moment, key, event.value, event.headers)
    return bytes(batch.build())


@dataclass
class Published:
    """The number of events so far."""

    events: int = 0


async def paced(site: Site, slots: Sequence[Slot], published: Published | None = None) -> None:
    """Publish each slot at its moment, and wait until all are acknowledged."""
    published, sent = published or Published(), []
    client = AIOKafkaClient(bootstrap_servers=site.kafka.bootstrap_servers)
    await client.bootstrap()
    (broker,) = client.cluster.brokers()
    try:
        for slot in slots:
            await asyncio.sleep(slot.at - time.time())
            request = ProduceRequest(None, _ALL, _PATIENCE, slot.topics)
            sent.append(asyncio.ensure_future(client.send(broker.nodeId, request)))
            published.events += slot.events
        for answer in await asyncio.gather(*sent):
            errors = [one[1] for _, partitions in answer.topics for one in partitions]
            assert not any(errors), errors
    finally:
        await client.close()
