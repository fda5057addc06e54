"""Takes a lane over: raises its fencing epoch, and checks its stored positions against the logs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from worker.decide.waiting import notice_waiting
from worker.errors import OtherLog
from worker.freshness.same_log import Stored, check_same
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
    logs = await recognise(services, lane, partitions)
    begins_at = await _beginning(services, stored, partitions)
    unknown = {
        partition: log.topic_id
        for partition, log in logs.items()
        if partition in stored and partition not in lane.topic_ids and log.topic_id is not None
    }
    if unknown:
        await lane.identify(unknown)
    for partition, (begin, _, _, topic_id) in logs.items():
        position = stored.get(partition)
        if position is None or position < begin:
            lost = begin - (position or 0)
            # Not the time of the first record that is left: its publisher may have given it the
            # time of the event, and what is lost may be younger than that.
            since = services.clocks.latest() if lost else None
            if lost:
                log.error(
                    "records_gone", lane=number, topic=partition[0], records=lost,
                    first_start=position is None,
                )  # fmt: skip
            if lost and position is not None:
                services.metrics.records_lost.labels(partition[0]).inc(lost)
            await lane.start_position(partition, begin, since, begins_at, topic_id)
    await notice_waiting(lane)
    log.info("lane_taken", lane=number, epoch=lane.epoch)
    return lane


async def _beginning(
    services: Services, stored: Mapping[Partition, int], partitions: Iterable[Partition]
) -> datetime | None:
    """Since when the topic of acts tells of orders, if one of its partitions was never read.

    A log that begins at its first offset is whole, but nobody knows what happened before its first
    record. All partitions count together: an idle one does not make the others younger.

    Raises:
        KafkaUnavailable: try again later.
    """
    topic = services.settings.order_status_changed_topic
    if services.scope.complete or all(p in stored for p in partitions if p[0] == topic):
        return None
    widths = await services.offsets.widths([topic])
    logs = await services.offsets.bounds([(topic, n) for n in range(widths.get(topic, 0))])
    firsts = [log.first_at for log in logs.values() if log.first_at and not log.begin]
    # Not later than now, whatever a publisher wrote.
    return min([services.clocks.latest(), *firsts])


async def recognise(
    services: Services, lane: Lane, partitions: Iterable[Partition]
) -> Mapping[Partition, Bounds]:
    """Check that the logs are those that this lane has read.

    A finding is kept if compaction or retention may remove what shows it: the lane would go on
    without records that it never read.

    Raises: as :func:`worker.freshness.same_log.check_same`.
    """
    stored = {
        place: Stored(
            position,
            lane.marks.get(place),
            lane.topic_ids.get(place),
            place in lane.cut,
            lane.others.get(place),
        )
        for place, position in lane.positions.items()
    }
    try:
        return await check_same(services.offsets, partitions, stored)
    except OtherLog as error:
        if error.lasting:
            await lane.keep_finding(error.log, error.reason)
        raise
