"""Verdicts as they stand in their topic."""

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from tests.support.topics import Topics

from .site import WIDTH, Site

Record = ConsumerRecord[bytes, bytes]


class Verdict(NamedTuple):
    """When it was due, and when the broker appended it."""

    order_id: str
    due: datetime
    stored_at: datetime


async def wait_for_verdicts(
    site: Site, topics: Topics, count: int, timeout: float
) -> list[Verdict]:
    """Wait until so many stand there, without reading them, and read them then."""
    partitions = [TopicPartition(topics.decisions, number) for number in range(WIDTH)]
    async with _consumer(site) as consumer:
        deadline = time.monotonic() + timeout
        while (there := sum((await consumer.end_offsets(partitions)).values())) < count:
            assert time.monotonic() < deadline, f"{there} of {count} verdicts"
            await asyncio.sleep(0.1)
    return [_verdict(record) for record in await read(site, partitions)]


async def read(site: Site, partitions: Sequence[TopicPartition]) -> list[Record]:
    """All that these partitions hold."""
    async with _consumer(site) as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[Record] = []
        while len(records) < sum(ends.values()):
            for found in (await consumer.getmany(timeout_ms=1000)).values():
                records += found
        return records


def _consumer(site: Site) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=site.kafka.bootstrap_servers, auto_offset_reset="earliest"
    )


def _verdict(record: Record) -> Verdict:
    body = json.loads(record.value or b"")
    stored_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return Verdict(body["order_id"], datetime.fromisoformat(body["due"]), stored_at)
