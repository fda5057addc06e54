"""Takes a lane over: raises its fencing epoch, and checks its stored positions against the logs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from worker.decide.waiting import notice_waiting
from worker.errors import Halted
from worker.kafka.offsets import Bounds
from worker.lanes.lane import Lane
from worker.observability.logs import logger
from worker.records import Partition
from worker.runtime.services import Services

log = logger(__name__)


async def take_over(services: Services, number: int, partitions: Sequence[Partition]) -> Lane:
    """The lane, ready to continue from its stored positions.

    Raises:
        Halted: a log is not the one that was read before.
        DatabaseUnavailable, KafkaUnavailable: try again later.
    """
    lane = Lane(number, services.database, services.metrics)
    await lane.acquire(services.owner)
    stored = await lane.stored_positions(partitions)
    logs = await services.offsets.bounds(partitions)
    await _recognise(services, lane, logs)
    for partition, (begin, end, first_at) in logs.items():
        position = stored.get(partition)
        if position is not None and position > end:
            # Truncated or created again: the log now holds other records, and we would never read
            # those below our position.
            raise Halted(
                f"lane {number}: stored position {position} of {partition} lies after the end of "
                f"the log, {end}"
            )
        if position is None or position < begin:
            lost = begin - (position or 0)
            since = (first_at or datetime.now(UTC)) if lost else None
            if lost:
                log.error(
                    "records_gone", lane=number, topic=partition[0], records=lost,
                    first_start=position is None,
                )  # fmt: skip
            if lost and position is not None:
                services.metrics.records_lost.labels(partition[0]).inc(lost)
            await lane.start_position(partition, begin, since)
    await notice_waiting(lane)
    log.info("lane_taken", lane=number, epoch=lane.epoch)
    return lane


async def _recognise(services: Services, lane: Lane, logs: Mapping[Partition, Bounds]) -> None:
    """Check that the logs are those that were read, and not new ones of the same name.

    Without this check, a topic that was created again and has grown past the position would go
    unnoticed, and its records below the position would be lost. If retention has removed the marked
    record, the check is not possible.
    """
    marks = {p: m for p, m in lane.marks.items() if logs[p].begin <= m.offset < logs[p].end}
    found = await services.offsets.timestamps({p: mark.offset for p, mark in marks.items()})
    for partition, timestamp in found.items():
        if timestamp != marks[partition].timestamp:
            raise Halted(
                f"lane {lane.number}: {partition} was created again: offset "
                f"{marks[partition].offset} is not the record that was read there"
            )
