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
    await wait_until_stored(site, topics, count, timeout)
    return await read_verdicts(site, topics, count)


async def wait_until_stored(site: Site, topics: Topics, count: int, timeout: float) -> None:
    """Wait until so many stand there, markers of transactions included."""
    async with _consumer(site) as consumer:
        deadline = time.monotonic() + timeout
        while (there := sum((await consumer.end_offsets(_all(topics))).values())) < count:
            assert time.monotonic() < deadline, f"{there} of {count} verdicts"
            await asyncio.sleep(0.1)


async def read_verdicts(site: Site, topics: Topics, count: int) -> list[Verdict]:
    """So many, and those that follow at once."""
    return [_verdict(record) for record in await read(site, _all(topics), count)]


async def read(
    site: Site, partitions: Sequence[TopicPartition], count: int | None = None
) -> list[Record]:
    """All that these partitions hold; if they hold markers too, say how many records they hold."""
    async with _consumer(site) as consumer:
        consumer.assign(partitions)
        wanted = count or sum((await consumer.end_offsets(partitions)).values())
        records: list[Record] = []
        quiet = 0
        while len(records) < wanted or (count and not quiet):
            found = await consumer.getmany(timeout_ms=1000)
            quiet = 0 if found else quiet + 1
            assert quiet < 10, f"{len(records)} of {wanted} records"
            for some in found.values():
                records += some
        return records


def _all(topics: Topics) -> list[TopicPartition]:
    return [TopicPartition(topics.decisions, number) for number in range(WIDTH)]


def _consumer(site: Site) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=site.kafka.bootstrap_servers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )


def _verdict(record: Record) -> Verdict:
    body = json.loads(record.value or b"")
    stored_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    return Verdict(body["order_id"], datetime.fromisoformat(body["due"]), stored_at)
