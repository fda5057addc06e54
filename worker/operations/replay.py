"""The replay of the past in shadow mode: which offsets it reads, and how it runs to its end.

The positions of an empty database are set to where the logs stood at a time in the past. A worker
then runs until it has read the records that the logs held when the replay began, and has decided
all that is due.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from worker.errors import DatabaseUnavailable, PlazoError, TopicsNotFit
from worker.kafka.offsets import OffsetReader
from worker.operations.actions import record
from worker.records import Partition
from worker.runtime.worker import Worker
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.installation import claim_mode

_POLL = 0.2


class DatabaseInUse(PlazoError):
    """A replay needs a database in which nothing has been read."""


class OffsetRange(NamedTuple):
    """The offsets of one partition to read; its log is complete from ``covered_since`` on."""

    begin: int
    end: int
    covered_since: datetime | None

    @property
    def records(self) -> int:
        """How many records it holds at most."""
        return self.end - self.begin


Ranges = Mapping[Partition, OffsetRange]


class Backlog(NamedTuple):
    """The work that is left."""

    records: int
    verdicts: int  # counted up to a limit
    unpublished: int

    @property
    def empty(self) -> bool:
        """Whether everything is read, decided and published."""
        return not (self.records or self.verdicts or self.unpublished)


async def prepare(
    settings: Settings, database: Database, start: datetime, author: str | None
) -> Ranges:
    """Find the offsets to read; with an ``author``, store them as the lanes' positions.

    Raises:
        DatabaseInUse, DatabaseUnavailable, ModeConflict, KafkaUnavailable
        TopicsNotFit: the shadow topic is missing or already holds verdicts.
    """
    if await database.rows("positions") or await database.rows("lanes"):
        raise DatabaseInUse(
            "a replay needs a database of its own, in which nothing has been read: "
            "this one is in use"
        )
    ranges = await _ranges(settings, start)
    if author is not None:
        await claim_mode(database, settings.mode)
        async with database.transaction() as tx:
            for partition, (begin, _, since) in ranges.items():
                await tx.execute("start_position", *partition, begin, since, None, None)
            await record(tx, author, "replay", start=start)
    return ranges


async def run(
    settings: Settings, ranges: Ranges, progress: Callable[[Backlog], None] = lambda _: None
) -> bool:
    """Run a worker; return whether it reached the end before it was stopped."""
    # The past lapses at once, which would trip the brake; a rehearsal cancels nobody.
    unlimited = {"brake_share": 1.0, "brake_cancels": None, "brake_seller_cancels": None,
                 "brake_silent_feed": None}  # fmt: skip
    # All of it happened before this database: the replay is there to decide it.
    decide = {"before_adoption": "decide", "astray_refusals": "ignore"}
    worker = Worker(settings.model_copy(update=unlimited | decide))
    working = asyncio.create_task(worker.run())
    following = asyncio.create_task(_follow(worker.services.database, ranges, progress))
    try:
        await asyncio.wait({working, following}, return_when=asyncio.FIRST_COMPLETED)
        return following.done()
    finally:
        following.cancel()
        worker.stop()
        await asyncio.gather(following, return_exceptions=True)
        await working


async def _ranges(settings: Settings, start: datetime) -> dict[Partition, OffsetRange]:
    offsets = OffsetReader(settings)
    try:
        widths = await offsets.widths([*settings.input_topics, settings.output_topic])
        if settings.output_topic not in widths:
            raise TopicsNotFit(f"missing: {settings.output_topic}; run `plazo topics create`")
        outputs = await offsets.bounds(_partitions(widths, settings.output_topic))
        if any(log.end > log.begin for log in outputs.values()):
            # The relay would take it for the tail of a younger database, and halt.
            raise TopicsNotFit(
                f"{settings.output_topic} holds verdicts already: "
                "give the replay a PLAZO_SHADOW_TOPIC of its own"
            )
        inputs = [one for topic in settings.input_topics for one in _partitions(widths, topic)]
        bounds = await offsets.bounds(inputs)
        firsts = await offsets.offsets_at(inputs, start)
    finally:
        await offsets.close()
    ranges = {}
    for partition, log in bounds.items():
        first = firsts.get(partition)
        begin = log.end if first is None else max(first, log.begin)
        skipped = begin > log.begin
        lost = log.first_at or start if log.begin else None
        ranges[partition] = OffsetRange(begin, log.end, start if skipped else lost)
    return ranges


def _partitions(widths: Mapping[str, int], topic: str) -> list[Partition]:
    return [(topic, number) for number in range(widths.get(topic, 0))]


async def _follow(database: Database, ranges: Ranges, progress: Callable[[Backlog], None]) -> None:
    """Wait until the backlog is empty."""
    while True:
        with suppress(DatabaseUnavailable):
            backlog = await _backlog(database, ranges)
            progress(backlog)
            if backlog.empty:
                return
        await asyncio.sleep(_POLL)


async def _backlog(database: Database, ranges: Ranges) -> Backlog:
    # In this order: a record is read, its order becomes overdue, is decided, then published.
    positions = {
        (row["topic"], row["partition"]): row["next_offset"]
        for row in await database.rows("positions")
    }
    numbers = sorted({number for _, number in ranges})
    late = await database.rows("count_overdue", numbers, datetime.now(UTC))
    lanes = await database.rows("lanes")
    records = sum(max(0, r.end - max(r.begin, positions[p])) for p, r in ranges.items())
    unpublished = sum(row["sequence"] - row["published"] for row in lanes)
    return Backlog(records, sum(row["overdue"] for row in late), unpublished)
