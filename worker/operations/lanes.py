"""Skips the record at which a lane fails: it becomes a dead letter, which shields its orders."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.events import RefusalClass
from worker.errors import NotSkipped
from worker.ingest.broken_records import named_orders
from worker.ingest.rows import Rows, add_dead_letter
from worker.kafka.offsets import OffsetReader
from worker.operations.actions import record as record_action
from worker.records import Partition, Record, Refusal
from worker.settings import Settings
from worker.storage.database import Database
from worker.storage.transaction import Transaction

# Milliseconds since the epoch: 9999-12-31, the last day that a datetime can hold.
_LAST_DAY = 253_402_214_400_000


@dataclass(frozen=True, slots=True)
class SkipResult:
    """The record that was skipped, or would be."""

    # Whether it could be read, so that its bytes are kept and it shields the orders it names.
    readable: bool
    # The ids of the orders that it shields.
    shields: tuple[str, ...]


async def skip(
    settings: Settings,
    database: Database,
    partition: Partition,
    offset: int,
    *,
    author: str,
    dry_run: bool,
) -> SkipResult:
    """Turn the next record of a partition into a dead letter, and go on after it.

    The owner of the lane is fenced, and takes the lane again from the new position.

    Raises:
        NotSkipped: the partition does not stand at this offset.
        NoSuchRecord: no record stands there.
        KafkaUnavailable, DatabaseUnavailable: nothing was changed.
    """
    async with database.session() as session:
        await _require_position(session, partition, offset)
    offsets = OffsetReader(settings)
    try:
        found = await offsets.record(partition, offset)
    finally:
        await offsets.close()
    record = found or Record(*partition, offset, time.time_ns() // 1_000_000, None, None, ())
    named = _named_orders(record, settings.max_record_bytes)
    if not dry_run:
        refusal = Refusal(RefusalClass.SKIPPED, "the worker failed on it", named)
        rows = Rows(datetime.now(UTC))
        kept = _storable(record, settings.max_record_bytes)
        add_dead_letter(rows, kept, refusal, lane=partition[1])
        topic, number = partition
        async with database.transaction() as tx:
            # In this order, as the lane itself: first its row, then its position.
            await tx.execute("raise_epoch", number)
            await _require_position(tx, partition, offset)
            tells_acts = topic != settings.order_created_topic
            letters = [(*each, tells_acts) for each in rows.dead_letters]
            await tx.execute_each("insert_dead_letters", letters)
            await tx.execute("skip_offset", topic, number, offset, found and found.timestamp)
            await record_action(
                tx, author, "lanes skip", topic=topic, partition=number, offset=offset
            )
    return SkipResult(found is not None, named)


async def _require_position(tx: Transaction, partition: Partition, offset: int) -> None:
    """Lock the position, and check that it is this one.

    Raises:
        NotSkipped: it is another, or none.
    """
    topic, number = partition
    row = await tx.row("lock_position", topic, number)
    if row is None:
        raise NotSkipped(f"no worker has read {topic}/{number} yet")
    if row["next_offset"] != offset:
        raise NotSkipped(
            f"{topic}/{number} stands at {row['next_offset']}, not at {offset}: nothing was skipped"
        )


def _named_orders(record: Record, most: int) -> tuple[str, ...]:
    try:
        return named_orders(record, most)
    except Exception:  # the search may fail at the record as the worker does: then by the key alone
        return named_orders(record._replace(value=None), most)


def _storable(record: Record, most: int) -> Record:
    """The record without what may have stopped the worker: a vast value, or a time out of range."""
    vast = record.value is not None and len(record.value) > most
    return record._replace(
        timestamp=min(record.timestamp, _LAST_DAY), value=None if vast else record.value
    )
